"""Stage 2, generation: every query x every expert -> `responses`, one unit per expert.

Blocks are committed as they come, so a run that is killed loses what was in flight and no more.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset
from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, make_unit, read_manifest, read_table
from zooter_ray.config.generation import Engine, ExpertConfig, GenerationConfig
from zooter_ray.config.resources import worker_range
from zooter_ray.errors import StageError
from zooter_ray.experts import engine_groups, engine_of, shown_name
from zooter_ray.progress import track
from zooter_ray.resources import Check, least_of_engine, unchecked
from zooter_ray.schemas import CONVERSATIONS, QUERIES, REJECTED, RESPONSES
from zooter_ray.stages.blocks import WHOLE, close, committed_rows, done_keys, in_cluster, rows_of, without_done
from zooter_ray.stages.engines import ENGINES
from zooter_ray.stages.engines.budget import ADVICE
from zooter_ray.stages.engines.ledger import new_ledger
from zooter_ray.stages.engines.side_by_side import Job, side_by_side

STAGE = "02_responses"
FEEDING_CPUS = 2.0  # rendering prompts, cutting blocks (which takes Ray a whole CPU), committing them
QUERY_COLUMNS = ["query_id", "query", "source", "reference"]


def units(config: GenerationConfig, queries: Unit | Mapping[str, Unit], run_dir: str) -> dict[str, Unit]:
    """The unit of each expert; it depends on that expert's settings and the queries alone."""
    asked = _by_expert(config, queries)
    return {
        expert.id: make_unit(run_dir, STAGE, expert.id, _identity(config, expert), [asked[expert.id]])
        for expert in config.experts
    }


def _by_expert(config: GenerationConfig, queries: Unit | Mapping[str, Unit]) -> Mapping[str, Unit]:
    return {expert.id: queries for expert in config.experts} if isinstance(queries, Unit) else queries


def _identity(config: GenerationConfig, expert: ExpertConfig) -> dict[str, Any]:
    return {**expert.identity(), "engine": engine_of(config, expert).identity(), "same_weights_as": None}


def run(
    config: GenerationConfig,
    queries: Unit | Mapping[str, Unit],
    run_dir: str,
    console: Console,
    may_be_empty: bool = False,
    check: Check = unchecked,
) -> dict[str, Unit]:
    """Generate what is missing, engine by engine or side by side.

    Args:
        config: settings of the stage.
        queries: rows of schemas.QUERIES that all experts answer, or by expert the unit of what it alone is asked,
            rows of schemas.CONVERSATIONS.
        run_dir: where the run lives.
        console: where progress is shown.
        may_be_empty: whether an expert may fail all that it is asked, since it is a remainder.
        check: is told what engines ask of the cluster.

    Returns:
        Each expert's complete unit.

    Raises:
        ConfigError: if an engine asks for what can never be had.
    """
    all_units = units(config, queries, run_dir)
    asked, schema = _by_expert(config, queries), QUERIES if isinstance(queries, Unit) else CONVERSATIONS
    jobs = []
    for engine, group in engine_groups(config):
        open_units = {expert.id: all_units[expert.id] for expert in group if not is_complete(all_units[expert.id])}
        if open_units:
            check({f"engine.resources of expert {group[0].id}": least_of_engine(engine)})
            experts = [expert for expert in group if expert.id in open_units]
            known = [all_units[expert.id] for expert in group]
            jobs.append(_job(config, engine, experts, asked, schema, open_units, known, may_be_empty))
    if config.side_by_side and len(jobs) > 1:
        total, finished = sum(job.total for job in jobs), sum(job.finished for job in jobs)
        name = f"generation: {'; '.join(job.name for job in jobs)}"
        track(side_by_side(jobs, ray.cluster_resources), total, name, console, finished)
    else:
        for job in jobs:
            track(job.run(), job.total, f"generation: {job.name}", console, job.finished)
    return all_units


def _job(
    config: GenerationConfig,
    engine: Engine,
    experts: Sequence[ExpertConfig],
    asked: Mapping[str, Unit],
    schema: pa.Schema,
    open_units: Mapping[str, Unit],
    known: Sequence[Unit],
    may_be_empty: bool,
) -> Job:
    """What is missing of some experts that share an engine; `known` are the units of all of them."""
    totals = {expert.id: read_manifest(asked[expert.id])["rows_out"] * expert.n for expert in experts}
    total = sum(totals.values())
    done, finished = done_keys(open_units, RESPONSES)

    def run() -> Iterator[int]:
        if finished < total:
            rows = pending(asked, experts, schema, done, config.block_rows)
            spent = ray.get(in_cluster(tokens_spent, [unit.path for unit in known]))
            ledger = new_ledger(open_units.values(), config.engine_deaths, spent)
            yield from committed_rows(ENGINES[engine.kind](rows, engine, experts, ledger), open_units, RESPONSES)
        for expert in experts:
            check_budget(open_units[expert.id])
            close(open_units[expert.id], RESPONSES, totals[expert.id], may_be_empty=may_be_empty)

    # What one expert is asked apart has a name behind its own: `vicuna-13b/gsm8k`.
    name = ", ".join(dict.fromkeys(shown_name(config, expert.id).partition("/")[0] for expert in experts))
    return Job(name, total, finished, needs(engine), run)


def needs(engine: Engine) -> dict[str, float]:
    """CPUs and GPUs of an engine at its full size, and of the tasks that feed it."""
    asked, workers = engine.resources, worker_range(engine.resources)[1]
    copies = workers * getattr(engine, "tensor_parallel_size", 1)
    return {"CPU": asked.num_cpus * copies + FEEDING_CPUS, "GPU": asked.num_gpus * copies}


def tokens_spent(directories: Sequence[str]) -> tuple[int, int]:
    """Prompt and generated tokens of what is in these directories."""
    names = ["prompt_tokens", "generated_tokens"]
    found = pa.concat_tables([read_table(directory, RESPONSES, names) for directory in directories])
    prompt, generated = (pc.sum(found[name]).as_py() or 0 for name in names)
    return prompt, generated


def check_budget(unit: Unit) -> None:
    """Stop where queries were not asked because of a budget; what was answered is kept.

    Raises:
        StageError: saying how many are left.
    """
    reasons = read_table(unit.rejected, REJECTED, ["reason"])["reason"].to_pylist()
    for reason, advice in ADVICE.items():
        if left := reasons.count(reason):
            raise StageError(f"{unit.name}: {reason.partition(': ')[2]}, {left} queries are left; {advice}")


def pending(
    asked: Mapping[str, Unit], experts: Sequence[ExpertConfig], schema: pa.Schema, done: Any, block_rows: int
) -> Dataset:
    """Every expert x its queries x its samples, but for the (expert, query_id, sample) that are done; small blocks."""
    samples: dict[str, list[tuple[str, int]]] = {}
    for expert in experts:
        samples.setdefault(asked[expert.id].path, []).extend((expert.id, sample) for sample in range(expert.n))
    queries = {unit.path: unit for unit in asked.values()}
    columns = [*QUERY_COLUMNS, *(name for name in schema.names if name not in QUERIES.names)]
    first, *others = (
        rows_of([queries[path]], schema, columns).map_batches(expand, fn_args=(theirs,), **WHOLE)
        for path, theirs in samples.items()
    )
    rows = first.union(*others) if others else first
    return rows.map_batches(without_done, fn_args=(done,), **WHOLE).repartition(target_num_rows_per_block=block_rows)


def expand(block: pa.Table, samples: Sequence[tuple[str, int]]) -> pa.Table:
    """Cross a block of queries with (expert, sample)."""
    count = block.num_rows
    return pa.concat_tables(
        block.append_column("expert", pa.array([expert] * count, pa.string())).append_column(
            "sample", pa.array([sample] * count, pa.int32())
        )
        for expert, sample in samples
    )
