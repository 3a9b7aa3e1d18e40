"""Chances that follow from a key alone: the same on every machine, for any order of rows and any number of blocks.

And numbers by which texts are known again.
"""

import hashlib
from collections.abc import Sequence

import numpy as np


def hash_fraction(*key: object) -> float:
    """A number in [0, 1) that follows from the key alone."""
    return (int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8]) >> 11) / 2**53


def text_hashes(texts: Sequence[str]) -> np.ndarray:
    """A number per text, shape (Q,), by which it is known again without being kept."""
    return np.array([int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts], dtype=np.uint64)
