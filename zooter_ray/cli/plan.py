"""`zooter plan --config C --gpus 8 --gpu A100-80G`: what a run would cost, before anything is spent."""

import argparse
import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from zooter_ray.artifacts import write_json
from zooter_ray.cli.plan_table import show_plan
from zooter_ray.cli.run import add_overrides
from zooter_ray.config import RunConfig, load_config
from zooter_ray.errors import ConfigError, DataError
from zooter_ray.planning.calibration import Calibration, calibrate
from zooter_ray.planning.measured import MeasuredRun, compare, read_run
from zooter_ray.planning.paper import Comparison, against_paper, is_papers
from zooter_ray.planning.plan import Plan, Planner
from zooter_ray.planning.stages import make_plan
from zooter_ray.planning.tables import Gpu, gpu_named
from zooter_ray.planning.workload import Workload

HELP = "tokens, GPU hours, wall time and storage of a run, before any is spent"
QUERY_TOKENS, RESPONSE_TOKENS = 128.0, 384.0  # guesses for instructions and answers of 13B chat models; say your own
SIZES = {
    "--queries": "queries drawn, where neither the sources nor queries.limit tell it",
    "--source-queries": "queries in the sources, which are all cleaned and tagged (counted, or as many as are drawn)",
    "--query-tokens": f"mean tokens of a query (those of --measured, or {QUERY_TOKENS:g})",
    "--response-tokens": f"mean tokens of a response (those of --measured, or {RESPONSE_TOKENS:g})",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of this subcommand."""
    parser.add_argument("--config", required=True, metavar="YAML", help="the run's settings")
    parser.add_argument("--gpus", type=int, required=True, metavar="N", help="how many GPUs there are")
    parser.add_argument("--gpu", required=True, metavar="NAME", help="which, say A100-80G; `cpu` without any")
    parser.add_argument("--measured", metavar="RUN_DIR", help="a finished run on such GPUs, to calibrate by")
    parser.add_argument("--measured-gpus", type=int, metavar="N", help="on how many of them it ran (as many as --gpus)")
    for option, meaning in SIZES.items():
        parser.add_argument(option, type=positive, metavar="N", help=meaning)
    parser.add_argument(
        "--parameters", action="append", default=[], metavar="MODEL=N", help="size of a model that is not known here"
    )
    parser.add_argument("--output", metavar="FILE", help="the plan as JSON")
    add_overrides(parser)


def positive(text: str) -> float:
    """A number of something."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
    return number


def execute(arguments: argparse.Namespace, console: Console) -> None:
    """Print the plan, and write it where --output says."""
    config, gpu = load_config(arguments.config, arguments.overrides), gpu_named(arguments.gpu)
    measured_gpus = arguments.gpus if arguments.measured_gpus is None else arguments.measured_gpus
    for option, number in (("--gpus", arguments.gpus), ("--measured-gpus", measured_gpus)):
        if number < 1:
            raise ConfigError(f"{option} must be 1 or more, not {number}")
    parameters = dict(map(_size, arguments.parameters))
    run = read_run(arguments.measured) if arguments.measured else None
    calibration = calibration_of(run, gpu, measured_gpus, parameters) if run else Calibration()
    workload = workload_of(config, arguments, run)
    plan = make_plan(Planner(config, workload, gpu, arguments.gpus, parameters=parameters, calibration=calibration))
    compared = against_paper(plan) if is_papers(config) else []
    if arguments.output:
        write_json(arguments.output, as_json(plan, compared))
    show_plan(plan, compared, console)


def _size(text: str) -> tuple[str, float]:
    source, _, number = text.partition("=")
    try:
        size = float(number)
    except ValueError:
        size = 0.0
    if not size > 0:
        raise ConfigError(f"--parameters {text!r} must look like MODEL=13e9")
    return source, size


def calibration_of(run: MeasuredRun, gpu: Gpu, gpus: int, parameters: dict[str, float]) -> Calibration:
    """What a run says about these GPUs, on which it was made."""
    as_planned = make_plan(Planner(run.config, run.workload, gpu, gpus, parameters=parameters))
    return calibrate(compare(run, as_planned))


def workload_of(config: RunConfig, arguments: argparse.Namespace, run: MeasuredRun | None) -> Workload:
    """Sizes from the options, else from the measured run (tokens), else from the config and its sources."""
    read, counted = count_sources(config)
    read = arguments.source_queries or read
    queries = arguments.queries or drawn(config, read)
    if not queries:
        raise ConfigError(
            "the number of queries is not known: neither the sources nor queries.limit tell it; say --queries N"
        )
    said = arguments.query_tokens or arguments.response_tokens
    return Workload(
        read=max(read or 0, queries),
        queries=queries,
        eval_share=config.queries.eval_share if counted is None else counted,
        train_share=1 - config.labeling.validation_share,
        query_tokens=arguments.query_tokens or (run.workload.query_tokens if run else QUERY_TOKENS),
        response_tokens=arguments.response_tokens or (run.workload.response_tokens if run else RESPONSE_TOKENS),
        measured=run.workload.measured if run and not said else {},
    )


def drawn(config: RunConfig, read: float | None) -> float | None:
    """Queries that sampling leaves, where that is known: `per_tag` depends on tags that nobody has counted yet."""
    limit = config.queries.limit
    if read is None or config.queries.per_tag is not None:
        return limit
    return min(read, limit) if limit else read


def count_sources(config: RunConfig) -> tuple[float | None, float | None]:
    """(queries, share that is held out) of the sources; None unless all are files on this machine."""
    from zooter_ray.queries.sources import files_of, read_source

    sources = config.queries.sources
    if any("://" in getattr(source, "path", "") for source in sources):
        return None, None
    try:
        for source in sources:
            files_of(source)
    except DataError:
        return None, None
    seed, eval_share = config.queries.seed, config.queries.eval_share
    splits = Counter(row["split"] for source in sources for row in read_source(source, seed, eval_share))
    return (float(splits.total()), splits["eval"] / splits.total()) if splits else (None, None)


def as_json(plan: Plan, compared: Sequence[Comparison]) -> dict[str, Any]:
    """The plan as plain values; seconds, bytes, FLOPs and GPU hours."""
    lines = [{**dataclasses.asdict(line), "wall_s": line.wall_s, "gpu_hours": line.gpu_hours} for line in plan.lines]
    return {
        "schema_version": 1,
        "gpu": plan.gpu,
        "gpus": plan.gpus,
        "lines": lines,
        "total": {
            "wall_s": plan.wall_s,
            "gpu_hours": sum(line.gpu_hours for line in plan.lines),
            "flops": sum(line.flops for line in plan.lines),
            "bytes_moved": sum(line.bytes_moved for line in plan.lines),
            "storage_bytes": sum(line.storage_bytes for line in plan.lines),
        },
        "paper": [{**dataclasses.asdict(item), "ratio": item.ratio} for item in compared],
        "assumptions": list(plan.notes),
    }
