"""`zooter evaluate --router DIR --outcomes FILE [--train FILE] --output DIR [--set k=v]`: what a router is worth."""

import argparse
import posixpath

from rich.console import Console

from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.config.load import apply_overrides, validate

HELP = "compare a router with its baselines on an outcomes file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--router", required=True, metavar="DIR", help="router directory")
    parser.add_argument("--outcomes", required=True, metavar="FILE", help="rows to evaluate on")
    parser.add_argument("--train", metavar="FILE", help="outcomes that baselines are chosen on; default: the router's")
    parser.add_argument("--output", required=True, metavar="DIR", help="gets report.html, .md and .json, plots and CSV")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="a setting, say draws=1000"
    )


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Evaluate and show the table."""
    from zooter_ray import pipeline
    from zooter_ray.cli.show import show_report

    config = validate(EvaluationConfig, apply_overrides({}, arguments.overrides), "overrides")
    pipeline.evaluate(arguments.router, arguments.outcomes, arguments.train, arguments.output, config, console)
    show_report(posixpath.join(arguments.output, "report.json"), console)
