"""Search for good settings of labels and training, as a Ray job; started again, it goes on with what is missing.

ray job submit --working-dir . -- python jobs/tuning.py --config jobs/configs/tune_paper.yaml \
    --rewards OUTCOMES --output DIR

OUTCOMES is what a run's labeling stage leaves (outcomes.parquet); DIR must be mounted on every node.
"""

import argparse
import sys

from zooter_ray import pipeline
from zooter_ray.config.tuning import load_tune_config
from zooter_ray.errors import ZooterError
from zooter_ray.progress import new_console


def main() -> int:
    """Run the search; returns the exit code."""
    parser = argparse.ArgumentParser(description="search for good settings of labels and training")
    parser.add_argument("--config", required=True, metavar="YAML")
    parser.add_argument("--rewards", required=True, metavar="OUTCOMES")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--trials", type=int, metavar="N")
    arguments = parser.parse_args()
    try:
        config = load_tune_config(arguments.config, arguments.overrides, arguments.trials)
        pipeline.tune(arguments.rewards, arguments.output, config, new_console(width=120))
    except ZooterError as error:
        print(f"error: {error.sentence}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
