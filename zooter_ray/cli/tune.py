"""`zooter tune --rewards OUTCOMES --output DIR --config C`: search for good settings of labels and training."""

import argparse

from rich.console import Console

from zooter_ray.cli.run import add_overrides
from zooter_ray.config.tuning import load_tune_config

HELP = "search for good settings of labels and training"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--rewards", required=True, metavar="OUTCOMES", help="JSON Lines (.gz) or Parquet outcomes")
    parser.add_argument("--output", required=True, metavar="DIR", help="the directory of the search; it is resumed")
    parser.add_argument("--config", required=True, metavar="YAML", help="labeling, training, ray, and tuning")
    add_overrides(parser)
    parser.add_argument("--trials", type=int, metavar="N", help="points of a random search")


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Search, and say where everything is."""
    config = load_tune_config(arguments.config, arguments.overrides, arguments.trials)
    from zooter_ray import pipeline

    pipeline.tune(arguments.rewards, arguments.output, config, console)
    for name in ("trials.csv", "trials.png", "best.yaml", "router"):
        console.print(f"{arguments.output}/{name}", highlight=False, soft_wrap=True)
