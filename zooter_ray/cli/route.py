"""`zooter route --router DIR --queries FILE --output FILE`: one row per input row, in order."""

import argparse

from rich.console import Console

HELP = "choose an expert for every query of a file"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--router", required=True, metavar="DIR", help="router directory")
    parser.add_argument("--queries", required=True, metavar="FILE", help="JSON Lines (.gz) or Parquet with `query`")
    parser.add_argument("--output", required=True, metavar="FILE", help="JSON Lines, or Parquet if named so")


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Route the file."""
    from zooter_ray import pipeline

    rows = pipeline.route(arguments.router, arguments.queries, arguments.output, console)
    console.print(f"{rows} queries routed: {arguments.output}", highlight=False)
