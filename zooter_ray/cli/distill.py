"""`zooter distill --rewards OUTCOMES --output DIR`: a router from an outcomes file alone."""

import argparse

from rich.console import Console

from zooter_ray.cli.run import add_overrides
from zooter_ray.config import load_distill_config

HELP = "distil a router from an outcomes file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--rewards", required=True, metavar="OUTCOMES", help="JSON Lines (.gz) or Parquet outcomes")
    parser.add_argument("--output", required=True, metavar="DIR", help="the router directory to make")
    parser.add_argument("--config", metavar="YAML", help="sections labeling, training and ray; a run's YAML will do")
    add_overrides(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace what is in DIR")


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Distil and say what came out."""
    config = load_distill_config(arguments.config, arguments.overrides)
    from zooter_ray import pipeline
    from zooter_ray.artifacts import absolute
    from zooter_ray.router.directory import read_card

    pipeline.distill(arguments.rewards, arguments.output, config, console, arguments.overwrite)
    card = read_card(absolute(arguments.output))
    figures = f"epoch {card.validation['epoch']}, validation loss {card.validation['validation_loss']:.4f}"
    console.print(f"router over {len(card.experts)} experts ({figures}): {arguments.output}", highlight=False)
