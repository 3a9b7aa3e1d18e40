"""All stages of a run as a Ray job.

ray job submit --working-dir . -- python jobs/run.py --config jobs/configs/demo.yaml

The other scripts of this folder run the stages up to the one they are named after; what is complete is skipped.
"""

import argparse
import sys

from zooter_ray import pipeline
from zooter_ray.config import load_config
from zooter_ray.config.run import STAGES
from zooter_ray.errors import ZooterError
from zooter_ray.progress import new_console


def main(until: str = STAGES[-1]) -> int:
    """Run the stages up to and with `until`; returns the exit code."""
    parser = argparse.ArgumentParser(description=f"run the stages up to {until}")
    parser.add_argument("--config", required=True, metavar="YAML")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments = parser.parse_args()
    console = new_console(width=120)
    try:
        result = pipeline.run(load_config(arguments.config, arguments.overrides), console, until)
    except ZooterError as error:
        print(f"error: {error.sentence}", file=sys.stderr)
        return 2
    for stage, path in result.paths.items():
        console.print(f"{stage:>10}  {path}", highlight=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
