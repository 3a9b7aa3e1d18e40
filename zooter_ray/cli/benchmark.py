"""`zooter benchmark --config C [--set k=v] [--dry-run]`: the experts' grades on the paper's benchmarks."""

import argparse

from rich.console import Console

from zooter_ray.cli.run import add_overrides
from zooter_ray.config import dump_config, load_benchmarks_config

HELP = "have the experts answer benchmarks and grade them; the outcomes are for `zooter evaluate`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--config", required=True, metavar="YAML", help="experts, benchmarks and judge")
    add_overrides(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the resolved config and stop")


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Answer, grade, and say where the outcomes are."""
    config = load_benchmarks_config(arguments.config, arguments.overrides)
    if arguments.dry_run:
        console.print(dump_config(config), markup=False, highlight=False, soft_wrap=True)
        return
    from zooter_ray import pipeline

    outcomes = pipeline.benchmark(config, console)
    console.print(f"outcomes: {outcomes}", highlight=False, soft_wrap=True)
