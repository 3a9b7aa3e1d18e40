"""Rewards -> soft labels: section 3.2 of the paper.

Q queries, M experts, T tags. The tag means are sums and counts over parts of the training rows that can be added up,
so that a distributed stage maps `tag_partials` and reduces with `combine_partials`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.hashing import hash_fraction
from zooter_ray.outcomes import Outcomes
from zooter_ray.schemas import LABELS


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


def with_validation(outcomes: Outcomes, config: LabelingConfig) -> Outcomes:
    """Turn a share of the training rows, by hash of their id, into validation rows."""
    splits = [
        "validation"
        if split == "train" and hash_fraction(config.seed, "validation", query_id) < config.validation_share
        else split
        for query_id, split in zip(outcomes.query_ids, outcomes.splits, strict=True)
    ]
    return replace(outcomes, splits=splits)


def label_table(outcomes: Outcomes, config: LabelingConfig) -> pa.Table:
    """Outcomes and their soft labels as a table of schemas.LABELS; only training rows enter the tag means."""
    split = with_validation(outcomes, config)
    learns_Q = np.array([name == "train" for name in split.splits])
    labels_QM = soft_labels(split.rewards_QM, split.tags, learns_Q, config.temperature, config.beta)
    columns = {
        "query_id": split.query_ids,
        "query": split.queries,
        "source": split.sources,
        "tags": split.tags,
        "split": split.splits,
        "rewards": split.rewards_QM.tolist(),
        "metrics": None if split.metrics_QM is None else split.metrics_QM.tolist(),
        "costs": None if split.costs_QM is None else split.costs_QM.tolist(),
        "label": labels_QM.tolist(),
        "has_preference": has_preference(split.rewards_QM).tolist(),
    }
    filled = {name: [None] * len(split.query_ids) if values is None else values for name, values in columns.items()}
    return pa.table(filled, schema=LABELS)
