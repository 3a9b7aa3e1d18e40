"""`zooter run --config C [--set k=v] [--dry-run]`: the stages of a run, skipping complete ones."""

import argparse

from rich.console import Console

from zooter_ray.config import dump_config, load_config
from zooter_ray.config.run import STAGES

HELP = "run the stages of a config, skipping what is complete"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--config", required=True, metavar="YAML", help="the run's settings")
    add_overrides(parser)
    parser.add_argument("--until", default=STAGES[-1], choices=STAGES, help="the last stage to run")
    parser.add_argument("--dry-run", action="store_true", help="print the resolved config and stop")


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """The option `--set`."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides", help="override a.b.c=value"
    )


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Run the stages and say where everything is."""
    config = load_config(arguments.config, arguments.overrides)
    if arguments.dry_run:
        console.print(dump_config(config), markup=False, highlight=False, soft_wrap=True)
        return
    from zooter_ray import pipeline
    from zooter_ray.cli.show import show_paths, show_report

    result = pipeline.run(config, console, arguments.until)
    if "evaluation" in result.paths:
        show_report(result.report, console)
    show_paths(result.paths, console)
