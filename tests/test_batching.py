"""Batches of like lengths."""

from zooter_ray.batching import length_buckets


def test_longest_sequences_come_first_in_batches_of_like_lengths() -> None:
    assert length_buckets([3, 9, 1, 7, 5], batch_size=2) == [[1, 3], [4, 0], [2]]
    assert length_buckets([], batch_size=2) == []
