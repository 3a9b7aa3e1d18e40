"""`zooter demo`: the whole loop on models that come as packages, on one machine, then what it was worth."""

import argparse
from importlib.resources import files

from rich.console import Console

from zooter_ray.cli.run import add_overrides
from zooter_ray.config import load_config

HELP = "the whole loop with two small LLMs on this machine"
QUERIES = (
    "What is 6 plus 7?",
    "Which planet is known as the Red Planet?",
    "Write a Python function add_ten(x) that returns x plus 10.",
    "Write the word garden in capital letters.",
    "Which name is in this sentence: Yesterday Maria bought three apples.",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--run-dir", default="runs/demo", metavar="DIR", help="where everything is written")
    parser.add_argument("--all", action="store_true", help="use the whole demo set, not the part that fits in minutes")
    add_overrides(parser)


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Run every stage, show the table and route a few queries."""
    every = ["queries.limit=null"] if arguments.all else []
    config = load_config(str(files("zooter_ray.cli") / "demo.yaml"), [*every, *arguments.overrides])
    config = config.model_copy(update={"run_dir": arguments.run_dir})
    drawn = "all of its queries" if config.queries.limit is None else f"{config.queries.limit} of its queries"
    console.print(
        f"The demo set is made by the project; this run draws {drawn} and grades responses by their references.",
        highlight=False,
    )
    from zooter_ray import pipeline
    from zooter_ray.cli.show import show_paths, show_report, show_routed
    from zooter_ray.experts import shown_names
    from zooter_ray.router.predictor import RouterPredictor

    result = pipeline.run(config, console)
    show_report(result.report, console)
    show_routed(RouterPredictor(result.router), QUERIES, shown_names(config.generation), console)
    show_paths(result.paths, console)
