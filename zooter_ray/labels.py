"""Rewards -> soft labels: section 3.2 of the paper.

Q queries, M experts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.hashing import hash_fraction
from zooter_ray.outcomes import Outcomes
from zooter_ray.schemas import LABELS
from zooter_ray.tag_means import EVERY, TagPartial, beyond_mean, tag_means, tag_partials


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


def smoothing_tags(outcomes: Outcomes, config: LabelingConfig) -> list[list[str]]:
    """The tags whose means smooth labels: a query's own, and its source if that counts as one."""
    if not config.source_as_tag:
        return outcomes.tags
    return [[*tags, source_tag(source)] for tags, source in zip(outcomes.tags, outcomes.sources, strict=True)]


def for_sources(config: LabelingConfig, sources: Collection[str]) -> LabelingConfig:
    """The settings for rows of these sources: a source that all rows share says nothing of a row, and is no tag."""
    return config if len(set(sources)) > 1 else config.model_copy(update={"source_as_tag": False})


def source_tag(source: str) -> str:
    """The tag that a source is."""
    return f"source {source}"


def teaches(outcomes: Outcomes) -> np.ndarray:
    """Whether a row is learned from, shape (Q,): it is of the split `train` and carries a preference."""
    trains_Q = np.array([split == "train" for split in outcomes.splits], dtype=bool)
    result: np.ndarray = trains_Q & has_preference(outcomes.rewards_QM)
    return result


def on_one_scale(outcomes: Outcomes, of_Q: np.ndarray) -> np.ndarray:
    """Rewards (Q, M) over how far the experts of a query are apart in its source: one temperature then fits all scales.

    That is the root of the mean square of r_m(q) - mean over m of r_m(q), over the source's rows among `of_Q` (Q,);
    over those of all sources where a source has none.
    """
    apart_Q = (beyond_mean(outcomes.rewards_QM) ** 2).mean(axis=1)
    sources = np.array(outcomes.sources)
    if not of_Q.any():
        return outcomes.rewards_QM
    scale_Q = np.full(len(sources), np.sqrt(apart_Q[of_Q].mean()))
    for source in set(sources[of_Q]):
        scale_Q[sources == source] = np.sqrt(apart_Q[of_Q & (sources == source)].mean())
    result: np.ndarray = outcomes.rewards_QM / np.maximum(scale_Q, np.finfo(np.float64).tiny)[:, None]
    return result


def training_partials(outcomes: Outcomes, config: LabelingConfig) -> dict[str, TagPartial]:
    """Tag partials of the rows that are learned from."""
    index = np.flatnonzero(teaches(outcomes))
    tags = smoothing_tags(outcomes, config)
    every = [EVERY] if config.prior_rows else []
    return tag_partials(smoothed(outcomes.rewards_QM[index], config), [[*tags[row], *every] for row in index])


def smoothed(rewards_QM: np.ndarray, config: LabelingConfig) -> np.ndarray:
    """What is averaged over the rows of a tag (Q, M): the paper's sample labels, or the rewards themselves."""
    return sample_labels(rewards_QM, config.temperature) if config.smooth == "labels" else rewards_QM


def soft_labels(outcomes: Outcomes, means: Mapping[str, np.ndarray], config: LabelingConfig) -> np.ndarray:
    """s*(q), shape (Q, M). Of smoothed rewards: softmax((beta r(q) + (1 - beta) mean over the tags t of q of r_t) / T).

    A mean of softmaxes is flat, and favours the expert that is right alone over the one that is right more often; the
    softmax of a mean does neither.
    """
    tags = smoothing_tags(outcomes, config)
    enhanced_QM = enhance(smoothed(outcomes.rewards_QM, config), tags, means, config.beta)
    return enhanced_QM if config.smooth == "labels" else sample_labels(enhanced_QM, config.temperature)


def with_validation(outcomes: Outcomes, config: LabelingConfig) -> Outcomes:
    """Turn a share of the training rows, by hash of their id, into validation rows."""
    splits = [
        "validation"
        if split == "train" and hash_fraction(config.seed, "validation", query_id) < config.validation_share
        else split
        for query_id, split in zip(outcomes.query_ids, outcomes.splits, strict=True)
    ]
    return replace(outcomes, splits=splits)


def beta_of(config: LabelingConfig, rows: int) -> float:
    """beta where so many rows teach: the fewer, the more often each is seen, and its sample label learned by heart."""
    return config.beta if config.beta_rows is None else config.beta * min(1.0, rows / config.beta_rows)


def label_table(outcomes: Outcomes, config: LabelingConfig) -> pa.Table:
    """Outcomes and their soft labels as a table of schemas.LABELS; only training rows enter the tag means."""
    split = with_validation(outcomes, config)
    config = config.model_copy(update={"beta": beta_of(config, int(teaches(split).sum()))})
    scaled = replace(split, rewards_QM=on_one_scale(split, teaches(split))) if config.standardise else split
    means = tag_means(training_partials(scaled, config), config.prior_rows)
    return labelled(split, soft_labels(scaled, means, config))


def labelled(outcomes: Outcomes, labels_QM: np.ndarray) -> pa.Table:
    """Outcomes and their soft labels (Q, M), as a table of schemas.LABELS."""
    columns = {
        "query_id": outcomes.query_ids,
        "query": outcomes.queries,
        "source": outcomes.sources,
        "tags": outcomes.tags,
        "split": outcomes.splits,
        "rewards": outcomes.rewards_QM.tolist(),
        "metrics": _rows_or_none(outcomes.metrics_QM),
        "costs": _rows_or_none(outcomes.costs_QM),
        "label": labels_QM.tolist(),
        "has_preference": has_preference(outcomes.rewards_QM).tolist(),
    }
    filled = {name: [None] * len(outcomes.query_ids) if rows is None else rows for name, rows in columns.items()}
    return pa.table(filled, schema=LABELS)


def _rows_or_none(values_QM: np.ndarray | None) -> list[list[float] | None] | None:
    """Lists of the rows that are whole; None stands for the others."""
    if values_QM is None:
        return None
    whole_Q = np.isfinite(values_QM).all(axis=1)
    return [row if whole else None for row, whole in zip(values_QM.tolist(), whole_Q, strict=True)]
