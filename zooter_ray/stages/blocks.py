"""What the Ray stages share: commit a dataset block by block, and close a unit once every row is accounted for."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import ActorPoolStrategy, Dataset

from zooter_ray.artifacts import (
    Unit,
    commit,
    drop_duplicates,
    file_system,
    parts,
    read_part,
    read_table,
    write_manifest,
)
from zooter_ray.config.resources import StageResources, worker_range
from zooter_ray.errors import StageError
from zooter_ray.resources import actor_kwargs
from zooter_ray.schemas import REJECTED
from zooter_ray.timing import Stopwatch

KEYS = ("query_id", "sample")
# Arguments of map_batches for a cheap function that takes whole blocks.
WHOLE: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow", "num_cpus": 0.25}
FILES_PER_TASK = 8
BYTES_PER_PARTITION = 32 << 20


def in_actors(resources: StageResources, rows: int) -> dict[str, Any]:
    """Arguments of map_batches for a class in a pool of actors that takes blocks of so many rows.

    Ray refuses whole blocks of any size as soon as there are GPUs.
    """
    low, high = worker_range(resources)
    pool = ActorPoolStrategy(min_size=low, max_size=high)
    return {"batch_size": rows, "batch_format": "pyarrow", "compute": pool, **actor_kwargs(resources)}


def in_cluster(function: Callable[..., Any], *args: Any) -> Any:
    """Reference to what a function gives for these arguments, computed by a worker and kept in the cluster.

    For what is too much for the driver, and for what every worker is to read from its node's shared memory.
    """
    return ray.remote(num_cpus=0.25)(function).remote(*args)


def rows_of(units: Iterable[Unit], schema: pa.Schema, columns: Sequence[str] | None = None) -> Dataset:
    """The rows of some units (these columns of them) as a dataset.

    Not by ray.data.read_parquet, which spends seconds on starting actors that list files.
    """
    names = list(columns) if columns is not None else schema.names
    paths = [{"path": part} for unit in units for part in parts(unit.path)]
    if not paths:
        return ray.data.from_arrow(pa.schema([schema.field(name) for name in names]).empty_table())
    blocks = -(-len(paths) // FILES_PER_TASK)
    return ray.data.from_items(paths, override_num_blocks=blocks).map_batches(
        _read_parts, fn_args=(schema, names), **WHOLE
    )


def _read_parts(files: pa.Table, schema: pa.Schema, columns: list[str]) -> pa.Table:
    return pa.concat_tables([read_part(path, schema, columns) for path in files["path"].to_pylist()])


def partitions_for(size_bytes: int) -> int:
    """Partitions of a shuffle, so that each fits easily into a worker."""
    return max(2, -(-size_bytes // BYTES_PER_PARTITION))


def committed_rows(dataset: Dataset, units: Mapping[str, Unit], schema: pa.Schema, timed: bool = True) -> Iterator[int]:
    """Run a dataset whose blocks carry `expert` and `error` (and maybe `detail`), commit every block, yield their rows.

    A block's good rows go to a part of their expert's unit, its failed rows to the unit's `rejected/`. At the end the
    time that all this took is written into the units, unless it tells little of the whole (`timed`).
    """
    watch = Stopwatch()
    counts = dataset.map_batches(
        _commit_block,
        fn_args=({expert: (unit.path, unit.rejected) for expert, unit in units.items()}, schema),
        **WHOLE,
    )
    for batch in counts.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        rows = pc.sum(batch["rows"]).as_py()
        watch.add(rows, pc.max(batch["longest_s"]).as_py())
        yield rows
    if timed:
        watch.write(list(units.values()))


def _commit_block(block: pa.Table, paths: dict[str, tuple[str, str]], schema: pa.Schema) -> pa.Table:
    for expert in pc.unique(block["expert"]).to_pylist():
        rows = block.filter(pc.equal(block["expert"], expert))
        failed = pc.not_equal(rows["error"], "")
        directory, rejected = paths[expert]
        if (good := rows.filter(pc.invert(failed))).num_rows:
            commit(directory, good.select(schema.names).cast(schema), KEYS)
        if (bad := rows.filter(failed)).num_rows:
            names = ["reason" if name == "error" else name for name in bad.column_names]
            bad = bad.rename_columns(names)
            if "detail" not in names:
                bad = bad.append_column("detail", pa.nulls(bad.num_rows, pa.string()))
            commit(rejected, bad.select(REJECTED.names).cast(REJECTED), KEYS)
    longest_s = pc.max(block["seconds"]).as_py() if block.num_rows and "seconds" in block.column_names else None
    return pa.table({"rows": [block.num_rows], "longest_s": [longest_s or 0.0]})


def done_keys(units: Mapping[str, Unit], schema: pa.Schema) -> tuple[Any, int]:
    """Reference to the keys of what an interrupted run has committed, and their count.

    What that run rejected is tried again. The keys stay in the cluster: they may be many.
    """
    for unit in units.values():
        fs, _ = file_system(unit.rejected)
        for part in parts(unit.rejected):
            fs.rm_file(file_system(part)[1])
    keys = in_cluster(_read_keys, {expert: unit.path for expert, unit in units.items()}, schema)
    return keys, ray.get(in_cluster(_length, keys))


def _read_keys(paths: Mapping[str, str], schema: pa.Schema) -> pa.ChunkedArray:
    tables = [read_table(path, schema, KEYS) for path in paths.values()]
    named = [
        table.append_column("expert", pa.array([expert] * table.num_rows, pa.string()))
        for expert, table in zip(paths, tables, strict=True)
    ]
    return _row_keys(pa.concat_tables(named))


def _length(keys: pa.ChunkedArray) -> int:
    return len(keys)


def _row_keys(rows: pa.Table) -> pa.ChunkedArray:
    sample = rows["sample"].cast(pa.string())
    return pc.binary_join_element_wise(rows["expert"], sample, rows["query_id"], "\n")


def without_done(rows: pa.Table, done: Any) -> pa.Table:
    """The rows (of expert, query_id, sample) whose keys are not among the done ones, which come by reference."""
    return rows.filter(pc.invert(pc.is_in(_row_keys(rows), value_set=ray.get(done))))


def rows_among(rows: pa.Table, keys: Any) -> pa.Table:
    """The rows (of expert, query_id, sample) whose keys are among these, which come by reference."""
    return rows.filter(pc.is_in(_row_keys(rows), value_set=ray.get(keys)))


def take_rejected(units: Mapping[str, Unit], reason: str) -> tuple[Any, int]:
    """Reference to the keys of rows that were rejected for a reason, and their count; they are rejected no longer."""
    paths = {expert: unit.rejected for expert, unit in units.items()}
    keys = in_cluster(_rejected_keys, paths, reason)
    count: int = ray.get(in_cluster(_length, keys))  # the keys are there before their rows go
    ray.get(in_cluster(_drop_rejected, paths, reason))
    return keys, count


def _rejected_keys(paths: Mapping[str, str], reason: str) -> pa.ChunkedArray:
    rows = pa.concat_tables([read_table(path, REJECTED) for path in paths.values()])
    return _row_keys(rows.filter(pc.equal(rows["reason"], reason)))


def _drop_rejected(paths: Mapping[str, str], reason: str) -> None:
    for path in paths.values():
        old = parts(path)
        rows = read_table(path, REJECTED)
        left = rows.filter(pc.not_equal(rows["reason"], reason))
        kept = commit(path, left, KEYS) if left.num_rows else None
        fs, _ = file_system(path)
        for part in old:
            if part != kept:
                fs.rm_file(file_system(part)[1])


def close(
    unit: Unit, schema: pa.Schema, rows_in: int, extra: Mapping[str, Any] | None = None, may_be_empty: bool = False
) -> None:
    """Write the unit's manifest, once each of `rows_in` rows is in it exactly once, as a row or as a rejected one.

    Raises:
        StageError: if rows are missing, or if all were rejected, which no later stage can use unless `may_be_empty`.
    """
    rows_out, reasons = ray.get(in_cluster(_count, unit, schema))
    rejected = sum(reasons.values())
    if rows_in and not rows_out and not may_be_empty:
        first = next(iter(reasons), "no row came back")
        raise StageError(f"{unit.stage}/{unit.name}: all {rows_in} rows were rejected; the first reason: {first}")
    if rows_out + rejected != rows_in:
        raise StageError(
            f"{unit.stage}/{unit.name}: {rows_in} rows went in, but {rows_out} came out and {rejected} were rejected; "
            "run again to resume"
        )
    write_manifest(unit, rows_in, rows_out, reasons, extra)


def _count(unit: Unit, schema: pa.Schema) -> tuple[int, dict[str, int]]:
    """Rows that are there, each once, and the rejected ones by reason; in a worker, since the keys may be many."""
    drop_duplicates(unit.path, KEYS)
    good = keys_of(unit.path, schema)
    return len(good), rejected_reasons(unit, good)


def pivot(query_ids: Sequence[str], units: Sequence[Unit], schema: pa.Schema, column: str) -> np.ndarray:
    """(Q, M) means of a column over samples, one expert's unit after the other; NaN where there is no row."""
    position = {query_id: row for row, query_id in enumerate(query_ids)}
    result = np.full((len(query_ids), len(units)), np.nan)
    for index, expert_unit in enumerate(units):
        table = read_table(expert_unit.path, schema, ["query_id", column])
        rows = np.array([position.get(query_id, -1) for query_id in table["query_id"].to_pylist()], dtype=np.int64)
        asked = rows >= 0
        totals = np.bincount(rows[asked], table[column].to_numpy()[asked], minlength=len(query_ids))
        counts = np.bincount(rows[asked], minlength=len(query_ids))
        result[:, index] = np.divide(totals, counts, out=np.full(len(query_ids), np.nan), where=counts > 0)
    return result


def keys_of(directory: str, schema: pa.Schema) -> set[tuple[str, int]]:
    """(query_id, sample) of the rows in a directory."""
    table = read_table(directory, schema, KEYS)
    return set(zip(table["query_id"].to_pylist(), table["sample"].to_pylist(), strict=True))


def rejected_reasons(unit: Unit, good: set[tuple[str, int]], most: int = 20) -> dict[str, int]:
    """Rejected rows by reason, the most frequent first; beyond `most` reasons the rest is counted together.

    A row that Ray ran twice may have failed once and succeeded once; it then counts as good.
    """
    drop_duplicates(unit.rejected, KEYS)
    rows = read_table(unit.rejected, REJECTED, [*KEYS, "reason"]).to_pylist()
    counts = Counter(row["reason"] for row in rows if (row["query_id"], row["sample"]) not in good).most_common()
    shown = dict(counts[:most])
    if rest := sum(count for _, count in counts[most:]):
        shown["other"] = rest
    return shown
