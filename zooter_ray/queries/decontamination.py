"""Decontamination, section 4.1: drop every query that shares an n-gram (six words) with a benchmark sample."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

Ngram = tuple[str, ...]


def words(text: str) -> list[str]:
    """The words of a text after Unicode folding (NFKC, case); punctuation separates and does not count."""
    return re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())


def ngrams(text: str, n: int) -> list[Ngram]:
    """All runs of n words, in order; a text of fewer words has none."""
    found = words(text)
    return [tuple(found[start : start + n]) for start in range(len(found) - n + 1)]


def index_benchmarks(samples: Iterable[tuple[str, str]], n: int) -> dict[Ngram, str]:
    """Every n-gram of the benchmarks -> the name of the first (name, text) sample that has it."""
    index: dict[Ngram, str] = {}
    for name, text in samples:
        for ngram in ngrams(text, n):
            index.setdefault(ngram, name)
    return index


def contamination(query: str, index: Mapping[Ngram, str], n: int) -> tuple[str, str] | None:
    """(name of the benchmark sample, shared n-gram) of the first match, or None if the query is clean."""
    for ngram in ngrams(query, n):
        if ngram in index:
            return index[ngram], " ".join(ngram)
    return None
