"""Duplicates: texts that are the same after folding, and texts that are nearly so (MinHash).

Of every pair of duplicates the larger query id goes, so the smallest of a group stays, in whatever order and in
however many blocks the rows come. Near-duplicates are candidates by locality-sensitive hashing, 32 bands of 8 of 256
permutations, which miss 3 in 1,000 pairs of a similarity of 0.8 and one in 10^8 of 0.95; a candidate is then
compared exactly.
"""

import hashlib
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from zooter_ray.queries.ngrams import fold, ngram_hashes, words

BANDS, BAND_ROWS = 32, 8
SHINGLE_WORDS = 5
PAIRS = pa.schema([("query_id", pa.string()), ("other", pa.string())])
COMPARED_IN_BUCKET = 64  # smallest ids of a bucket that its others are compared with; keeps one template's texts linear


def text_key(query: str) -> str:
    """The same for texts that are the same after folding (NFKC, case), and for no others."""
    return hashlib.blake2b(fold(query).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def first_of_each(keys: pa.Table) -> np.ndarray:
    """For rows of (key, query_id), all rows of each key together: the row (Q,) with the smallest id of the same key.

    A row that stands twice, id and all, points to the one that comes first.
    """
    order = pc.sort_indices(keys, sort_keys=[("key", "ascending"), ("query_id", "ascending")]).to_numpy()
    key_Q = keys["key"].to_numpy(zero_copy_only=False)[order]
    starts_Q = np.concatenate([[True], key_Q[1:] != key_Q[:-1]]) if len(key_Q) else np.zeros(0, bool)
    first_Q = np.zeros(len(order), dtype=np.int64)
    first_Q[order] = order[np.flatnonzero(starts_Q)[np.cumsum(starts_Q) - 1]]
    return first_Q


def buckets(query: str) -> list[int]:
    """The buckets (64-bit numbers) that a text falls into: near-duplicates share one. Of fewer than 5 words: none."""
    shingles = np.unique(ngram_hashes(words(query), SHINGLE_WORDS))
    if not len(shingles):
        return []
    signature = _empty_signature().copy()
    signature.update_batch(shingles.tolist())
    bands = signature.hashvalues.reshape(BANDS, BAND_ROWS)
    return [_bucket(band, values.tobytes()) for band, values in enumerate(bands)]


@cache
def _empty_signature() -> Any:
    """The signature of nothing; its permutations take five times as long to draw as a text takes to be hashed."""
    from datasketch import MinHash  # scipy behind it takes a while to import, and other tasks need none

    return MinHash(num_perm=BANDS * BAND_ROWS, seed=1, hashfunc=_low_bits)


def _low_bits(shingle: int) -> int:
    return shingle & 0xFFFFFFFF


def _bucket(band: int, values: bytes) -> int:
    digest = hashlib.blake2b(values, digest_size=8, salt=band.to_bytes(2)).digest()
    return int.from_bytes(digest, signed=True)


def candidate_pairs(rows: pa.Table) -> pa.Table:
    """From rows of (bucket, query_id), all rows of each bucket together: pairs (query_id, other) with other smaller."""
    _, index_Q, counts = np.unique(rows["bucket"].to_numpy(), return_inverse=True, return_counts=True)
    rows = rows.filter(pa.array(counts[index_Q] > 1))  # first, since nearly all buckets hold one row
    if not rows.num_rows:
        return PAIRS.empty_table()
    rows = rows.sort_by([("bucket", "ascending"), ("query_id", "ascending")])
    bucket_Q = rows["bucket"].to_numpy()
    starts = np.flatnonzero(np.concatenate([[True], bucket_Q[1:] != bucket_Q[:-1]]))
    larger, smaller = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start, end in zip(starts, [*starts[1:], len(bucket_Q)], strict=True):
        for other in range(start, min(end - 1, start + COMPARED_IN_BUCKET)):
            larger.append(np.arange(other + 1, end))
            smaller.append(np.full(end - other - 1, other))
    ids = rows["query_id"]
    pairs = pa.table([ids.take(np.concatenate(larger)), ids.take(np.concatenate(smaller))], PAIRS)
    return distinct(pairs)


def distinct(pairs: pa.Table) -> pa.Table:
    """Each pair once; two texts may share many buckets."""
    return pairs.group_by(PAIRS.names).aggregate([]).cast(PAIRS)


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the sets of word 5-grams."""
    first, second = (np.unique(ngram_hashes(words(text), SHINGLE_WORDS)) for text in (one, other))
    shared = len(np.intersect1d(first, second, assume_unique=True))
    return shared / max(1, len(first) + len(second) - shared)
