"""Stage 2, generation: every query x every expert -> `responses`, one unit per expert.

Blocks are committed as they come, so a run that is killed loses what was in flight and no more.
"""

from typing import Any

import pyarrow as pa
import ray
from ray.data import Dataset
from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, make_unit, parts, read_manifest
from zooter_ray.config.generation import ExpertConfig, GenerationConfig
from zooter_ray.experts import engine_groups, engine_of, shown_name
from zooter_ray.progress import track
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages.blocks import close, committed_rows, done_ids
from zooter_ray.stages.engines import ENGINES

STAGE = "02_responses"
QUERY_COLUMNS = ["query_id", "query", "source", "reference"]


def units(config: GenerationConfig, queries: Unit, run_dir: str) -> dict[str, Unit]:
    """The unit of each expert; it depends on that expert's settings and the queries alone."""
    return {
        expert.id: make_unit(run_dir, STAGE, expert.id, _identity(config, expert), [queries])
        for expert in config.experts
    }


def _identity(config: GenerationConfig, expert: ExpertConfig) -> dict[str, Any]:
    return {**expert.identity(), "engine": engine_of(config, expert).identity(), "same_weights_as": None}


def run(config: GenerationConfig, queries: Unit, run_dir: str, console: Console) -> dict[str, Unit]:
    """Generate what is missing, engine by engine; returns each expert's complete unit."""
    all_units = units(config, queries, run_dir)
    total = read_manifest(queries)["rows_out"]
    for engine, group in engine_groups(config):
        open_units = {expert.id: all_units[expert.id] for expert in group if not is_complete(all_units[expert.id])}
        if not open_units:
            continue
        experts = [expert for expert in group if expert.id in open_units]
        done = {expert_id: done_ids(unit, RESPONSES) for expert_id, unit in open_units.items()}
        finished = sum(map(len, done.values()))
        if finished < total * len(experts):
            dataset = ENGINES[engine.kind](pending(queries, done, config.block_rows), engine, experts)
            name = "generation: " + ", ".join(shown_name(config, expert.id) for expert in experts)
            track(committed_rows(dataset, open_units, RESPONSES), total * len(experts), name, console, finished)
        for unit in open_units.values():
            close(unit, RESPONSES, total)
    return all_units


def pending(queries: Unit, done: dict[str, set[tuple[str, int]]], block_rows: int) -> Dataset:
    """Every query x every expert in `done`, but for the (query_id, sample) that are done; small blocks."""
    rows = ray.data.read_parquet(parts(queries.path)).select_columns(QUERY_COLUMNS)
    expanded = rows.map_batches(
        expand, fn_args=(ray.put(done),), batch_size=None, batch_format="pyarrow", num_cpus=0.25
    )
    return expanded.repartition(target_num_rows_per_block=block_rows)


def expand(block: pa.Table, done: Any) -> pa.Table:
    """Cross a block of queries with the experts, leaving out what is done (an ObjectRef or the dict itself)."""
    finished: dict[str, set[tuple[str, int]]] = ray.get(done) if isinstance(done, ray.ObjectRef) else done
    tables = [_rows_of(block, expert, finished[expert]) for expert in finished]
    return pa.concat_tables(tables)


def _rows_of(block: pa.Table, expert: str, finished: set[tuple[str, int]]) -> pa.Table:
    fresh = pa.array([(query_id, 0) not in finished for query_id in block["query_id"].to_pylist()], pa.bool_())
    rows = block.filter(fresh)
    return rows.append_column("expert", pa.array([expert] * rows.num_rows, pa.string())).append_column(
        "sample", pa.array([0] * rows.num_rows, pa.int32())
    )
