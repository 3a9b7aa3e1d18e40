"""Near-duplicates among many queries: buckets, candidate pairs, exact comparison; all of it as shuffles by key."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset

from zooter_ray.queries.duplicates import BANDS, PAIRS, buckets, candidate_pairs, distinct, similarity
from zooter_ray.stages.blocks import WHOLE, in_cluster

BUCKET_ROWS_PER_PARTITION = 1 << 20
BUCKETS = pa.schema([("bucket", pa.int64()), ("query_id", pa.string())])


def near_duplicates(rows: Dataset, least: float, total: int, partitions: int) -> Any:
    """Reference to a table (query_id, other): the queries of which one with a smaller id is nearly the same.

    Args:
        rows: rows with query_id, query and reason; those with a reason are left out.
        least: least similarity of near-duplicates.
        total: number of rows.
        partitions: of shuffles of the texts.
    """
    bucket_partitions = max(2, BANDS * total // BUCKET_ROWS_PER_PARTITION)
    pairs = (
        rows.map_batches(bucket_rows, **WHOLE)
        .repartition(bucket_partitions, keys=["bucket"])
        .map_batches(candidate_pairs, **WHOLE)
        .repartition(partitions, keys=["query_id", "other"])
        .map_batches(distinct, **WHOLE)
        .materialize()
    )
    if not pairs.count():
        return ray.put(PAIRS.empty_table())
    texts = rows.select_columns(["query_id", "query"])
    others = texts.rename_columns({"query_id": "other", "query": "other_query"})
    compared = (
        pairs.join(texts, "inner", partitions, on=("query_id",))
        .join(others, "inner", partitions, on=("other",))
        .map_batches(near_pairs, fn_args=(least,), **WHOLE)
    )
    return in_cluster(_smallest_others, *compared.to_arrow_refs())


def bucket_rows(rows: pa.Table) -> pa.Table:
    """A row of BUCKETS for each bucket that each query falls into."""
    kept = rows.filter(pc.is_null(rows["reason"]))
    found = [buckets(query) for query in kept["query"].to_pylist()]
    numbers = pa.array([number for row in found for number in row], pa.int64())
    owners = pa.array([index for index, row in enumerate(found) for _ in row], pa.int64())
    return pa.table([numbers, kept["query_id"].take(owners)], BUCKETS)


def near_pairs(pairs: pa.Table, least: float) -> pa.Table:
    """The pairs that are as similar as that."""
    texts = zip(pairs["query"].to_pylist(), pairs["other_query"].to_pylist(), strict=True)
    near = pa.array([similarity(one, other) >= least for one, other in texts], pa.bool_())
    return pairs.select(PAIRS.names).filter(near)


def _smallest_others(*pairs: pa.Table) -> pa.Table:
    """For each query the smallest of its near-duplicates."""
    found = [table.select(PAIRS.names).cast(PAIRS) for table in pairs if table.num_rows]
    whole = pa.concat_tables(found) if found else PAIRS.empty_table()
    return whole.group_by("query_id").aggregate([("other", "min")]).rename_columns(PAIRS.names)
