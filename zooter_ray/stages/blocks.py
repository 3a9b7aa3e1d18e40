"""What the Ray stages share: commit a dataset block by block, and close a unit once every row is accounted for."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ray.data import Dataset

from zooter_ray.artifacts import Unit, commit, drop_duplicates, file_system, parts, read_table, write_manifest
from zooter_ray.errors import StageError
from zooter_ray.schemas import REJECTED

KEYS = ("query_id", "sample")


def committed_rows(dataset: Dataset, units: Mapping[str, Unit], schema: pa.Schema) -> Iterator[int]:
    """Run a dataset whose blocks carry `expert` and `error`, commit every block, and yield the rows committed.

    A block's good rows go to a part of their expert's unit, its failed rows to the unit's `rejected/`.
    """
    counts = dataset.map_batches(
        _commit_block,
        fn_args=({expert: (unit.path, unit.rejected) for expert, unit in units.items()}, schema),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=0.25,
    )
    for batch in counts.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield pc.sum(batch["rows"]).as_py()


def _commit_block(block: pa.Table, paths: dict[str, tuple[str, str]], schema: pa.Schema) -> pa.Table:
    for expert in pc.unique(block["expert"]).to_pylist():
        rows = block.filter(pc.equal(block["expert"], expert))
        failed = pc.not_equal(rows["error"], "")
        directory, rejected = paths[expert]
        if (good := rows.filter(pc.invert(failed))).num_rows:
            commit(directory, good.select(schema.names).cast(schema), KEYS)
        if (bad := rows.filter(failed)).num_rows:
            names = ["reason" if name == "error" else name for name in bad.column_names]
            bad = bad.rename_columns(names).append_column("detail", pa.nulls(bad.num_rows, pa.string()))
            commit(rejected, bad.select(REJECTED.names).cast(REJECTED), KEYS)
    return pa.table({"rows": [block.num_rows]})


def done_ids(unit: Unit, schema: pa.Schema) -> set[tuple[str, int]]:
    """(query_id, sample) of the rows that an interrupted run has committed; what it rejected is tried again."""
    fs, _ = file_system(unit.rejected)
    for part in parts(unit.rejected):
        fs.rm_file(file_system(part)[1])
    return keys_of(unit.path, schema)


def close(unit: Unit, schema: pa.Schema, rows_in: int, extra: Mapping[str, Any] | None = None) -> None:
    """Write the unit's manifest, once each of `rows_in` rows is in it exactly once, as a row or as a rejected one.

    Raises:
        StageError: if rows are missing, or if all were rejected, which no later stage can use.
    """
    drop_duplicates(unit.path, KEYS)
    good = keys_of(unit.path, schema)
    rows_out = len(good)
    reasons = rejected_reasons(unit, good)
    rejected = sum(reasons.values())
    if rows_in and not rows_out:
        first = next(iter(reasons), "no row came back")
        raise StageError(f"{unit.stage}/{unit.name}: all {rows_in} rows were rejected; the first reason: {first}")
    if rows_out + rejected != rows_in:
        raise StageError(
            f"{unit.stage}/{unit.name}: {rows_in} rows went in, but {rows_out} came out and {rejected} were rejected; "
            "run again to resume"
        )
    write_manifest(unit, rows_in, rows_out, reasons, extra)


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
