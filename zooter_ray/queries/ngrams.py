"""Words and word n-grams of queries. W words, G = W - n + 1 n-grams."""

import hashlib
import re
import unicodedata
from functools import lru_cache

import numpy as np


def fold(text: str) -> str:
    """A text after Unicode folding: NFKC and case."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def words(text: str) -> list[str]:
    """The words of a text after folding; punctuation separates and does not count."""
    return re.findall(r"\w+", fold(text))


def ngram_hashes(found: list[str], n: int) -> np.ndarray:
    """64-bit hashes (G,) of all runs of n words, in order; a text of fewer words has none."""
    if len(found) < n:
        return np.zeros(0, dtype=np.uint64)
    word_W = np.array([_word_hash(word) for word in found], dtype=np.uint64)
    hash_G = np.zeros(len(found) - n + 1, dtype=np.uint64)
    for position in range(n):
        hash_G = hash_G * _MULTIPLIER + word_W[position : position + len(hash_G)]
    return (hash_G ^ (hash_G >> np.uint64(31))) * _MULTIPLIER


_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that products modulo 2^64 lose nothing


@lru_cache(maxsize=1 << 17)
def _word_hash(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())
