"""Draw queries: k for each unique tag, then a number in all, by hashes, so that the order of rows does not matter.

What is drawn from parts can be drawn from again: the k smallest of all are among the k smallest of each part.
"""

from collections.abc import Sequence

import pyarrow as pa

from zooter_ray.hashing import hash_fraction

KEYS = pa.schema([("group", pa.string()), ("chance", pa.float64()), ("query_id", pa.string())])


def tag_keys(query_ids: Sequence[str], tags: Sequence[Sequence[str]], seed: int) -> pa.Table:
    """A row of KEYS for each tag of each query; queries without a tag count as tagged with the empty one."""
    rows = [
        {"group": tag, "chance": hash_fraction(seed, tag, query_id), "query_id": query_id}
        for query_id, row_tags in zip(query_ids, tags, strict=True)
        for tag in row_tags or ("",)
    ]
    return pa.Table.from_pylist(rows, KEYS)


def limit_keys(query_ids: Sequence[str], seed: int) -> pa.Table:
    """A row of KEYS for each query, all in one group."""
    rows = [{"group": "", "chance": hash_fraction(seed, query_id), "query_id": query_id} for query_id in query_ids]
    return pa.Table.from_pylist(rows, KEYS)


def smallest(keys: pa.Table, k: int) -> pa.Table:
    """Of each group the rows with the k smallest chances."""
    ordered = keys.sort_by([("group", "ascending"), ("chance", "ascending"), ("query_id", "ascending")])
    kept, group, rank = [], None, 0
    for name in ordered["group"].to_pylist():
        rank = rank + 1 if name == group else 0
        group = name
        kept.append(rank < k)
    return ordered.filter(pa.array(kept, pa.bool_()))


def draw(rows: Sequence[tuple[str, Sequence[str]]], per_tag: int | None, limit: int | None, seed: int) -> set[str]:
    """Ids drawn from (query_id, tags) rows: section 4.1, with ten per tag.

    Args:
        rows: the queries.
        per_tag: the k smallest of hash(seed, tag, query_id) for each tag; None keeps all rows.
        limit: then the smallest of hash(seed, query_id); None keeps all.
        seed: of the hashes.
    """
    drawn = [query_id for query_id, _ in rows]
    if per_tag is not None:
        drawn = smallest(tag_keys(drawn, [tags for _, tags in rows], seed), per_tag)["query_id"].unique().to_pylist()
    if limit is not None:
        drawn = smallest(limit_keys(drawn, seed), limit)["query_id"].to_pylist()
    return set(drawn)
