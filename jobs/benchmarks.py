"""The experts' grades on the paper's benchmarks, as a Ray job; what is complete is skipped.

ray job submit --working-dir . -- python jobs/benchmarks.py --config jobs/configs/benchmarks.yaml
"""

import argparse
import sys

from zooter_ray import pipeline
from zooter_ray.config import load_benchmarks_config
from zooter_ray.errors import ZooterError
from zooter_ray.progress import new_console


def main() -> int:
    """Answer and grade; returns the exit code."""
    parser = argparse.ArgumentParser(description="grade the experts on benchmarks")
    parser.add_argument("--config", required=True, metavar="YAML")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments = parser.parse_args()
    console = new_console(width=120)
    try:
        outcomes = pipeline.benchmark(load_benchmarks_config(arguments.config, arguments.overrides), console)
    except ZooterError as error:
        print(f"error: {error.sentence}", file=sys.stderr)
        return 2
    console.print(f"outcomes  {outcomes}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
