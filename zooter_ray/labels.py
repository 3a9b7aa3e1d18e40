"""Rewards -> soft labels: section 3.2 of the paper.

Q queries, M experts, T tags. The tag means are sums and counts over parts of the training rows that can be added up,
so that a distributed stage maps `tag_partials` and reduces with `combine_partials`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TagPartial:
    """Sum of the sample labels (M,) of the rows with a tag, and their count."""

    total_M: np.ndarray
    count: int


def sample_labels(rewards_QM: np.ndarray, temperature: float) -> np.ndarray:
    """s(q) = softmax(rewards(q) / T), shape (Q, M); the paper's equation has T = 1."""
    scaled_QM = rewards_QM / temperature
    exp_QM = np.exp(scaled_QM - scaled_QM.max(axis=1, keepdims=True))
    result: np.ndarray = exp_QM / exp_QM.sum(axis=1, keepdims=True)
    return result


def has_preference(rewards_QM: np.ndarray) -> np.ndarray:
    """Whether a row's rewards differ at all, shape (Q,); equal rewards say nothing about the experts."""
    result: np.ndarray = rewards_QM.max(axis=1) > rewards_QM.min(axis=1)
    return result


def tag_partials(labels_QM: np.ndarray, tags: Sequence[Sequence[str]]) -> dict[str, TagPartial]:
    """Sums and counts of the sample labels of each tag, over some rows."""
    partials: dict[str, TagPartial] = {}
    for label_M, row_tags in zip(labels_QM, tags, strict=True):
        for tag in row_tags:
            old = partials.get(tag, TagPartial(np.zeros_like(label_M), 0))
            partials[tag] = TagPartial(old.total_M + label_M, old.count + 1)
    return partials


def combine_partials(parts: Iterable[Mapping[str, TagPartial]]) -> dict[str, TagPartial]:
    """Add up the partials of disjoint rows."""
    combined: dict[str, TagPartial] = {}
    for part in parts:
        for tag, partial in part.items():
            old = combined.get(tag)
            combined[tag] = (
                partial if old is None else TagPartial(old.total_M + partial.total_M, old.count + partial.count)
            )
    return combined


def tag_means(partials: Mapping[str, TagPartial]) -> dict[str, np.ndarray]:
    """s_t = mean of s(q) over the rows with tag t, shape (M,) each."""
    return {tag: partial.total_M / partial.count for tag, partial in partials.items()}


def enhance(
    labels_QM: np.ndarray, tags: Sequence[Sequence[str]], means: Mapping[str, np.ndarray], beta: float
) -> np.ndarray:
    """s*(q) = beta s(q) + (1 - beta) mean over the tags t of q of s_t, shape (Q, M).

    A tag without a mean (no training row with a preference has it) does not count; a row with no tag left keeps s(q).
    """
    enhanced_QM = labels_QM.copy()
    for row, row_tags in enumerate(tags):
        known = [means[tag] for tag in row_tags if tag in means]
        if known:
            enhanced_QM[row] = beta * labels_QM[row] + (1 - beta) * np.mean(known, axis=0)
    return enhanced_QM


def soft_labels(
    rewards_QM: np.ndarray,
    tags: Sequence[Sequence[str]],
    learns_Q: np.ndarray,
    temperature: float,
    beta: float,
) -> np.ndarray:
    """Soft labels (Q, M) of all rows; tag means come from the rows in `learns_Q` (Q,) that carry a preference."""
    labels_QM = sample_labels(rewards_QM, temperature)
    index = np.flatnonzero(learns_Q & has_preference(rewards_QM))
    means = tag_means(tag_partials(labels_QM[index], [tags[row] for row in index]))
    return enhance(labels_QM, tags, means, beta)
