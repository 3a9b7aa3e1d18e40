"""Draw queries: k for each unique tag, then a number in all, by hashes, so that the order of rows does not matter."""

from collections import defaultdict
from collections.abc import Sequence

from zooter_ray.hashing import hash_fraction


def draw(rows: Sequence[tuple[str, Sequence[str]]], per_tag: int | None, limit: int | None, seed: int) -> set[str]:
    """Ids drawn from (query_id, tags) rows.

    Args:
        rows: the queries.
        per_tag: the k smallest of hash(seed, tag, query_id) for each tag (section 4.1: ten); None keeps all rows.
            Queries without a tag count as tagged with the empty one.
        limit: then the smallest of hash(seed, query_id); None keeps all.
        seed: of the hashes.
    """
    kept = {query_id for query_id, _ in rows} if per_tag is None else _per_tag(rows, per_tag, seed)
    if limit is not None and len(kept) > limit:
        kept = set(sorted(kept, key=lambda query_id: hash_fraction(seed, query_id))[:limit])
    return kept


def _per_tag(rows: Sequence[tuple[str, Sequence[str]]], per_tag: int, seed: int) -> set[str]:
    by_tag: dict[str, list[str]] = defaultdict(list)
    for query_id, tags in rows:
        for tag in tags or ("",):
            by_tag[tag].append(query_id)
    drawn: set[str] = set()
    for tag, query_ids in by_tag.items():
        drawn.update(sorted(query_ids, key=lambda query_id: hash_fraction(seed, tag, query_id))[:per_tag])
    return drawn
