"""Counts by name that blocks hand to the driver, which adds them up."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from ray.data import Dataset

COUNTS = pa.schema([("what", pa.string()), ("name", pa.string()), ("count", pa.int64())])


def count_table(columns: Mapping[str, Sequence[str]]) -> pa.Table:
    """How often each value stands in some columns: rows of (what, name, count)."""
    counted = {what: Counter(column) for what, column in columns.items()}
    rows = [
        {"what": what, "name": name, "count": count} for what, found in counted.items() for name, count in found.items()
    ]
    return pa.Table.from_pylist(rows, COUNTS)


def add_up(counted: Dataset, counts: dict[str, Counter[str]], rows: str) -> Iterator[int]:
    """Run a dataset of count tables, add them up, and yield how many `rows` each block had."""
    for block in counted.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        done = 0
        for row in block.to_pylist():
            counts.setdefault(row["what"], Counter())[row["name"]] += row["count"]
            done += row["count"] if row["what"] == rows else 0
        yield done
