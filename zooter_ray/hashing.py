"""Chances that follow from a key alone: the same on every machine, for any order of rows and any number of blocks."""

import hashlib


def hash_fraction(*key: object) -> float:
    """A number in [0, 1) that follows from the key alone."""
    return (int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:8]) >> 11) / 2**53
