"""Blocks of OUTCOMES as what labels are made from: rewards per reward model, and the rewards that are distilled.

Q queries, M experts, R reward models.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.labels import with_validation
from zooter_ray.moments import Moments, moments, weighted_mean
from zooter_ray.outcomes import Outcomes


@dataclass(frozen=True)
class Pool:
    """What the lists in a row of OUTCOMES stand for, and which rewards are distilled."""

    experts: tuple[str, ...]
    reward_models: tuple[str, ...]
    rewards_of: str  # a reward model, or what stands for a mean of several
    reference: str | None  # the reward model whose rewards are the metrics


def rewards_by_model(block: pa.Table, pool: Pool) -> dict[str, np.ndarray]:
    """Rewards (Q, M) of each reward model; NaN where there is none."""
    shape = (block.num_rows, len(pool.reward_models), len(pool.experts))
    rewards_QRM = np.array(block["rewards"].to_pylist(), dtype=np.float64).reshape(shape)
    return {name: rewards_QRM[:, index] for index, name in enumerate(pool.reward_models)}


def outcomes_of(
    block: pa.Table, pool: Pool, config: LabelingConfig, over: Mapping[str, Moments]
) -> tuple[Outcomes, np.ndarray]:
    """Outcomes with the rewards that are distilled, and which rows (Q,) have one of every expert."""
    rewards = rewards_by_model(block, pool)
    weights = config.reward_weights
    distilled_QM = rewards[pool.rewards_of] if weights is None else weighted_mean(rewards, over, weights)
    query_ids, queries, sources, tags, splits = (
        block[name].to_pylist() for name in ("query_id", "query", "source", "tags", "split")
    )
    outcomes = Outcomes(
        list(pool.experts), query_ids, queries, sources, tags, splits, distilled_QM,
        metrics_QM=None if pool.reference is None else rewards[pool.reference],
        costs_QM=np.array(block["costs"].to_pylist(), dtype=np.float64).reshape(distilled_QM.shape),
    )  # fmt: skip
    return with_validation(outcomes, config), np.isfinite(distilled_QM).all(axis=1)


def learned_rows(outcomes: Outcomes, whole_Q: np.ndarray) -> np.ndarray:
    """Which rows (Q,) are learned from: whole ones of the split `train`."""
    learned_Q: np.ndarray = whole_Q & np.array([split == "train" for split in outcomes.splits], dtype=bool)
    return learned_Q


def training_moments(block: pa.Table, pool: Pool, config: LabelingConfig) -> dict[str, Moments]:
    """Moments of each averaged reward model over the training rows of a block."""
    first = next(iter(config.reward_weights or {}))
    plain = config.model_copy(update={"reward_weights": None, "reward_model": first})
    splits = outcomes_of(block, Pool(pool.experts, pool.reward_models, first, pool.reference), plain, {})[0].splits
    train_Q = np.array([split == "train" for split in splits], dtype=bool)
    rewards = rewards_by_model(block, pool)
    return {name: moments(rewards[name][train_Q]) for name in config.reward_weights or {}}
