"""Batches of sequences of like lengths, so that little of a batch is padding."""

from collections.abc import Sequence


def length_buckets(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Indices in batches of like lengths, longest first, so that padding is small and memory fails early."""
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
