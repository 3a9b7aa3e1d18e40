"""Read a finished run: its rows and tokens, and the time of every unit beside the one that the model predicts."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import yaml

from zooter_ray.artifacts import MANIFEST, file_system, read_json, read_table
from zooter_ray.config import RunConfig
from zooter_ray.config.load import validate
from zooter_ray.errors import ArtifactError
from zooter_ray.experts import engine_groups, engine_of
from zooter_ray.planning.calibration import Measured
from zooter_ray.planning.plan import Line, Plan
from zooter_ray.planning.workload import Workload, template_tokens
from zooter_ray.schemas import QUERIES, RESPONSES
from zooter_ray.timing import Timing, read_timing

SAYS_WHEN_BEGUN = ("generation", "training")
LONGEST_START_S = 30.0  # of Ray's workers, on a machine that is busy


@dataclass(frozen=True)
class MeasuredRun:
    """What a run directory says."""

    config: RunConfig
    workload: Workload
    timings: Mapping[tuple[str, str], Timing]  # by the stage and unit of a plan's line


def read_run(run_dir: str) -> MeasuredRun:
    """The last run in a run directory.

    Raises:
        ArtifactError: if it is no finished run, or its units recorded no time.
    """
    for name in ("run.json", "config.yaml"):
        fs, inner = file_system(posixpath.join(run_dir, name))
        if not fs.exists(inner):
            raise ArtifactError(f"{run_dir} holds no finished run: {name} is missing")
    config = validate(RunConfig, yaml.safe_load(fs.cat_file(inner)), posixpath.join(run_dir, "config.yaml"))
    paths: dict[str, str] = read_json(posixpath.join(run_dir, "run.json"))
    if "evaluation" not in paths:
        raise ArtifactError(f"{run_dir} holds no finished run: its last stage was {list(paths)[-1]}")
    # Not the recorded paths, since a run may have been moved; their last parts name the units.
    drawn = posixpath.join(run_dir, *paths["queries"].split("/")[-3:])
    responses = {expert.id: response_unit(config, expert.id, run_dir, drawn) for expert in config.generation.experts}
    timings = dict(timings_of(config, run_dir, paths, drawn, responses))
    if not timings:
        raise ArtifactError(f"{run_dir} was made by a version that recorded no times; run it anew in a fresh directory")
    return MeasuredRun(config, workload_of(config, run_dir, drawn, responses), timings)


def complete_units(directory: str) -> dict[str, dict[str, Any]]:
    """Manifests of the complete units of that name, by their directory."""
    fs, inner = file_system(directory)
    names = sorted(map(posixpath.basename, fs.ls(inner, detail=False))) if fs.exists(inner) else []
    found = {}
    for name in names:
        path = posixpath.join(directory, name, MANIFEST)
        if fs.exists(file_system(path)[1]):
            found[posixpath.join(directory, name)] = read_json(path)
    return found


def unit_of(directory: str, inputs: Sequence[str], settings: Mapping[str, Any]) -> str | None:
    """The complete unit with these inputs and settings, if there is one."""
    for path, manifest in complete_units(directory).items():
        if manifest["inputs"] == list(inputs) and manifest["settings"] == dict(settings):
            return path
    return None


def response_unit(config: RunConfig, expert_id: str, run_dir: str, drawn: str) -> str:
    """Directory of an expert's responses.

    Raises:
        ArtifactError: if they are not complete.
    """
    expert = next(expert for expert in config.generation.experts if expert.id == expert_id)
    engine = engine_of(config.generation, expert).identity()
    settings = {**expert.identity(), "engine": engine, "same_weights_as": None}
    directory = posixpath.join(run_dir, "02_responses", expert_id)
    found = unit_of(directory, [posixpath.basename(drawn)], settings)
    if found is None:
        raise ArtifactError(f"{directory} has no complete unit of the run's settings; finish the run first")
    return found


def timings_of(
    config: RunConfig, run_dir: str, paths: Mapping[str, str], drawn: str, responses: Mapping[str, str]
) -> Iterator[tuple[tuple[str, str], Timing]]:
    """Times by the stage and unit of a plan's lines; units without any are left out."""
    clean, tags = read_json(posixpath.join(drawn, MANIFEST))["inputs"]
    where = {
        ("queries", "clean"): posixpath.join(run_dir, "01_queries", "clean", clean),
        ("queries", "tags"): posixpath.join(run_dir, "01_queries", "tags", tags),
        ("queries", "queries"): drawn,
        ("training", "router"): posixpath.join(run_dir, *paths["training"].split("/")[-3:]),
        ("evaluation", "report"): posixpath.join(run_dir, *paths["evaluation"].split("/")[-3:]),
    }
    for _, experts in engine_groups(config.generation):
        where["generation", " + ".join(expert.id for expert in experts)] = responses[experts[0].id]
    for model in config.scoring.reward_models:
        expert_id, unit = next(iter(responses.items()))
        directory = posixpath.join(run_dir, "03_rewards", model.id, expert_id)
        if scored := unit_of(directory, [posixpath.basename(unit)], model.identity()):
            where["scoring", model.id] = scored
    for name, directory in where.items():
        if (timing := read_timing(directory)) is not None:
            yield name, timing


def workload_of(config: RunConfig, run_dir: str, drawn: str, responses: Mapping[str, str]) -> Workload:
    """Rows and tokens of the run. A query's tokens: the prompts' mean, less what templates add to it."""
    clean = read_json(posixpath.join(drawn, MANIFEST))["inputs"][0]
    read = read_json(posixpath.join(run_dir, "01_queries", "clean", clean, MANIFEST))["rows_in"]
    splits = read_table(drawn, QUERIES, ["split"])["split"].to_pylist()
    measured = dict(measured_tokens(responses))
    if not measured:
        raise ArtifactError(
            f"{run_dir}: no endpoint told how many tokens its responses took, so nothing can be measured"
        )
    queries = [
        max(1.0, measured[expert.id][0] - template_tokens(expert))
        for expert in config.generation.experts
        if expert.id in measured
    ]
    return Workload(
        read=read,
        queries=len(splits),
        eval_share=splits.count("eval") / len(splits),
        train_share=1 - config.labeling.validation_share,
        query_tokens=min(queries),
        response_tokens=sum(generated for _, generated in measured.values()) / len(measured),
        measured=measured,
    )


def measured_tokens(responses: Mapping[str, str]) -> Iterator[tuple[str, tuple[float, float]]]:
    """(prompt, generated) tokens per response of every expert whose endpoint tells them."""
    for expert, directory in responses.items():
        table = read_table(directory, RESPONSES, ["prompt_tokens", "generated_tokens"])
        prompt, generated = (pc.mean(table[name]).as_py() for name in table.column_names)
        if prompt is not None and generated is not None:
            yield expert, (prompt, generated)


def compare(run: MeasuredRun, plan: Plan) -> list[Measured]:
    """Measured beside predicted, for the lines of a plan of the run's own workload."""
    return [
        as_measured(line, run.timings[line.stage, line.unit])
        for line in plan.lines
        if (line.stage, line.unit) in run.timings
    ]


def as_measured(line: Line, timing: Timing) -> Measured:
    """Split a unit's time into start and work, each for all of its rows.

    Generation and training say when their first rows were begun. Of scoring, whose rows come one block after the other,
    the rate after the first block tells the work. Where all rows came at once, the model's work is believed as long as
    what is left is no longer than a start may take; the rest is work.
    """
    rate = timing.rate_after_first if timing.rows >= 2 * timing.first_rows else None
    if line.stage in SAYS_WHEN_BEGUN:
        start_s = timing.start_s
    elif line.stage == "scoring" and rate is not None:
        start_s = max(0.0, timing.seconds - timing.rows / rate)
    else:
        start_s = min(max(0.0, timing.seconds - line.busy_s), LONGEST_START_S)
    share = (
        line.rows / timing.rows if line.stage in ("generation", "scoring") else 1.0
    )  # of a resumed unit, only the rest was timed
    return Measured(line.stage, line.key, start_s, (timing.seconds - start_s) * share, line.busy_s)
