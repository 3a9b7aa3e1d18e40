"""`zooter demo`: the whole loop on models that come as packages, on one machine: run, report, serve, ask."""

import argparse
import json
import os
import socket
from importlib.resources import files

from rich.console import Console
from rich.table import Table
from rich.text import Text

from serve_app.environment import FAST_PATH
from zooter_ray.cli.run import add_overrides
from zooter_ray.config import RunConfig, load_config
from zooter_ray.errors import ConfigError

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
    parser.add_argument("--keep-serving", action="store_true", help="leave the service up at the end, until Ctrl-C")
    add_overrides(parser)


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Run every stage, show what the router is worth, then serve it and ask it a few queries."""
    os.environ.update({**FAST_PATH, **os.environ})
    config = config_of(arguments)
    drawn = "all of its queries" if config.queries.limit is None else f"{config.queries.limit} of its queries"
    console.print(
        f"The demo set is made by the project; this run draws {drawn} and grades responses by their references.",
        highlight=False,
    )
    from zooter_ray import pipeline
    from zooter_ray.cli.serve import service, show_how_to_call, wait_for_interrupt
    from zooter_ray.cli.show import show_paths, show_report

    result = pipeline.run(config, console)
    show_report(result.report, console)
    show_paths(result.paths, console)
    console.print("Starting the service: the router and the experts' engines, under Ray Serve.", highlight=False)
    with service(with_free_port(config), result.router, console) as url:
        show_answers(url, config, console)
        if arguments.keep_serving:
            show_how_to_call(url, console)
            console.print("Ctrl-C ends it.", highlight=False)
            wait_for_interrupt()


def config_of(arguments: argparse.Namespace) -> RunConfig:
    """The demo's config; what `--set` says comes last."""
    chosen = [
        f"run_dir={json.dumps(arguments.run_dir, ensure_ascii=False)}",
        *(["queries.limit=null"] if arguments.all else []),
    ]
    return load_config(str(files("zooter_ray.cli") / "demo.yaml"), [*chosen, *arguments.overrides])


def with_free_port(config: RunConfig) -> RunConfig:
    """The config's port if nobody listens there, else any other: a demo need not fail for that."""
    from zooter_ray.cli.serve import check_port_is_free

    try:
        check_port_is_free(config.serving.host, config.serving.port)
    except ConfigError:
        with socket.socket() as probe:
            probe.bind((config.serving.host, 0))
            return config.model_copy(
                update={"serving": config.serving.model_copy(update={"port": probe.getsockname()[1]})}
            )
    return config


def show_answers(url: str, config: RunConfig, console: Console) -> None:
    """Ask the service with the official client; say who answered and why."""
    from openai import OpenAI

    from zooter_ray.experts import shown_names

    shown = shown_names(config.generation)
    client = OpenAI(base_url=url, api_key="none")
    table = Table(title=f"Asked at {url}/chat/completions, model `zooter`", title_justify="left", show_lines=True)
    for column in ("query", "answered by", "because", "answer"):
        table.add_column(column, overflow="fold")
    for query in QUERIES:
        raw = client.chat.completions.with_raw_response.create(
            model="zooter", messages=[{"role": "user", "content": query}]
        )
        reply = raw.parse()
        probability = float(raw.headers["x-zooter-probability"])
        text = " ".join((reply.choices[0].message.content or "").split())
        table.add_row(Text(query), shown[reply.model], f"p = {probability:.2f}", Text(text[:200]))
    console.print(table)
