"""Decontamination, section 4.1: drop every query that shares an n-gram (six words) with a benchmark sample.

The benchmarks' n-grams are kept as sorted 64-bit hashes, which every worker of a node reads from shared memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from zooter_ray.queries.ngrams import ngram_hashes, words


@dataclass(frozen=True)
class BenchmarkIndex:
    """Every n-gram of the benchmarks, and the first sample that has it. G n-grams."""

    n: int
    hash_G: np.ndarray  # sorted
    sample_G: np.ndarray  # index into `samples`
    samples: list[str]


def index_benchmarks(samples: Iterable[tuple[str, str]], n: int) -> BenchmarkIndex:
    """The index of (name, text) samples."""
    names: list[str] = []
    hashes: list[np.ndarray] = [np.zeros(0, dtype=np.uint64)]
    for name, text in samples:
        names.append(name)
        hashes.append(ngram_hashes(words(text), n))
    sample_of = np.repeat(np.arange(-1, len(names)), [len(found) for found in hashes])
    hash_G, first_G = np.unique(np.concatenate(hashes), return_index=True)
    return BenchmarkIndex(n, hash_G, sample_of[first_G].astype(np.int32), names)


def contamination(query: str, index: BenchmarkIndex) -> tuple[str, str] | None:
    """(name of the benchmark sample, shared n-gram) of the query's first match, or None if it is clean."""
    found = words(query)
    hash_G = ngram_hashes(found, index.n)
    if not len(hash_G) or not len(index.hash_G):
        return None
    position_G = np.minimum(np.searchsorted(index.hash_G, hash_G), len(index.hash_G) - 1)
    matches = np.flatnonzero(index.hash_G[position_G] == hash_G)
    if not len(matches):
        return None
    first = int(matches[0])
    return index.samples[index.sample_G[position_G[first]]], " ".join(found[first : first + index.n])
