"""Bring together what is known of each query: one shuffle by query_id, then a row per query.

Q queries, M experts, R reward models.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from rich.console import Console

from zooter_ray.artifacts import Unit, commit, is_complete, parts, read_manifest, read_part, remove, write_manifest
from zooter_ray.errors import StageError
from zooter_ray.progress import track
from zooter_ray.schemas import OUTCOMES, QUERIES, RESPONSES, REWARDS
from zooter_ray.stages.blocks import FILES_PER_TASK, WHOLE, partitions_for
from zooter_ray.stages.counts import add_up, count_table

QUERY, COST = -2, -1  # what a row tells, or the number of the reward model whose reward it is
TEXTS = ["query", "source", "tags", "split"]
KNOWN = pa.schema(
    [
        *(QUERIES.field(name).with_nullable(True) for name in ("query_id", *TEXTS)),
        pa.field("what", pa.int32()),
        pa.field("expert", pa.string()),
        pa.field("value", pa.float64()),
    ]
)


def run(
    queries: Unit,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Mapping[str, Unit]],
    outcomes: Unit,
    console: Console,
) -> None:
    """Make the unit of outcomes, if it is not complete."""
    if is_complete(outcomes):
        return
    remove(outcomes)
    files = list(_files(queries, responses, rewards))
    known = ray.data.from_items(files, override_num_blocks=-(-len(files) // FILES_PER_TASK))
    rows = known.map_batches(read_known, **WHOLE).materialize()
    committed = (
        rows.repartition(partitions_for(rows.size_bytes()), keys=["query_id"])
        .map_batches(join, fn_args=(list(responses), len(rewards)), **WHOLE)
        .map_batches(_commit_block, fn_args=(outcomes.path,), **WHOLE)
    )
    total = read_manifest(queries)["rows_out"]
    joined = track(add_up(committed, {}, "outcomes"), total, "labeling: outcomes", console)
    if joined != total:
        raise StageError(f"{outcomes.stage}/{outcomes.name}: {total} queries went in, {joined} came out; run again")
    pool = {"experts": list(responses), "reward_models": list(rewards)}
    write_manifest(outcomes, total, total, {}, pool)


def _files(
    queries: Unit, responses: Mapping[str, Unit], rewards: Mapping[str, Mapping[str, Unit]]
) -> Iterator[dict[str, object]]:
    told = [(QUERY, queries), *((COST, unit) for unit in responses.values())]
    told += [(number, unit) for number, by_expert in enumerate(rewards.values()) for unit in by_expert.values()]
    for what, unit in told:
        for part in parts(unit.path):
            yield {"what": what, "path": part}


def read_known(files: pa.Table) -> pa.Table:
    """Rows of KNOWN from part files of queries, responses and rewards."""
    return pa.concat_tables([_read(file["what"], file["path"]) for file in files.to_pylist()])


def _read(what: int, path: str) -> pa.Table:
    if what == QUERY:
        rows = read_part(path, QUERIES, ["query_id", *TEXTS])
    else:
        schema, column = (RESPONSES, "generated_tokens") if what == COST else (REWARDS, "reward")
        rows = read_part(path, schema, ["query_id", "expert", column]).rename_columns(["query_id", "expert", "value"])
        known = pc.fill_null(rows["value"].cast(pa.float64()), math.nan)  # of an endpoint that does not tell
        rows = rows.set_column(2, "value", known)
    told = rows.append_column("what", pa.array([what] * rows.num_rows, pa.int32()))
    return pa.concat_tables([KNOWN.empty_table(), told], promote_options="default")


def join(rows: pa.Table, experts: Sequence[str], reward_models: int) -> pa.Table:
    """Rows of OUTCOMES, sorted by query_id, from all rows of KNOWN of some queries; samples are averaged."""
    queries = rows.filter(pc.equal(rows["what"], QUERY)).select(["query_id", *TEXTS]).sort_by("query_id")
    told = rows.filter(pc.not_equal(rows["what"], QUERY))
    mean_RQM = sample_means(told, queries["query_id"], experts, reward_models + 1)
    rewards_QRM = mean_RQM[1:].transpose(1, 0, 2)
    return pa.table(
        [
            *(queries[name] for name in ("query_id", *TEXTS)),
            pa.array(rewards_QRM.tolist(), OUTCOMES.field("rewards").type),
            pa.array(mean_RQM[0].tolist(), OUTCOMES.field("costs").type),
        ],
        OUTCOMES,
    )


def sample_means(told: pa.Table, query_ids: pa.ChunkedArray, experts: Sequence[str], kinds: int) -> np.ndarray:
    """Means over samples (kind, Q, M), costs first, then the rewards of each model; NaN where nothing is told."""
    shape = (kinds, len(query_ids), len(experts))
    told = told.sort_by([(name, "ascending") for name in ("query_id", "what", "expert", "value")])  # sums in one order
    row_index = pc.index_in(told["query_id"], value_set=query_ids.combine_chunks()).to_numpy()
    expert_index = pc.index_in(told["expert"], value_set=pa.array(experts, pa.string())).to_numpy()
    cell = np.ravel_multi_index((told["what"].to_numpy() - COST, row_index, expert_index), shape)
    totals = np.bincount(cell, told["value"].to_numpy(), np.prod(shape))
    counts = np.bincount(cell, minlength=np.prod(shape))
    means: np.ndarray = np.divide(totals, counts, out=np.full(len(totals), np.nan), where=counts > 0)
    return means.reshape(shape)


def _commit_block(rows: pa.Table, path: str) -> pa.Table:
    if rows.num_rows:
        commit(path, rows.cast(OUTCOMES), ["query_id"])
    return count_table({"outcomes": ["rows"] * rows.num_rows})
