"""Is a pool worth routing? Answered from rewards alone, before any router is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zooter_ray.evaluation.learned import named
from zooter_ray.evaluation.metrics import mean_over_sources
from zooter_ray.labels import has_preference
from zooter_ray.outcomes import best_share

# Below these, a perfect router would hardly be noticed.
SMALL_GAP = 0.02
LARGE_WIN_SHARE = 0.98
SMALL_PREFERENCE_SHARE = 0.02


@dataclass(frozen=True)
class PoolReport:
    """What the rewards of a pool say about it."""

    win_share: dict[str, float]  # over the rows that carry a preference; ties are shared
    preference_rows: int
    rows: int
    best_single: str
    best_single_mean: float
    oracle_mean: float
    worth_routing: bool
    sentence: str


def pool_report(
    experts: Sequence[str], rewards_QM: np.ndarray, sources: Sequence[str], shown: Mapping[str, str] | None = None
) -> PoolReport:
    """Win shares, the gap between oracle and best single expert, and a plain sentence.

    Args:
        experts: ids in the order of the columns.
        rewards_QM: rewards (Q, M) of training rows.
        sources: where each row is from; means are over the sources, as everywhere.
        shown: how the ids are shown.
    """
    prefers_Q = has_preference(rewards_QM)
    share_QM = best_share(rewards_QM)
    win_share = share_QM[prefers_Q].mean(axis=0) if prefers_Q.any() else np.zeros(len(experts))
    means = [mean_over_sources(reward_Q, sources) for reward_Q in rewards_QM.T]
    best = int(np.argmax(means))
    oracle = mean_over_sources(rewards_QM.max(axis=1), sources)
    name = (shown or {}).get(experts[best], experts[best])
    worth, sentence = _verdict(
        name, means[best], oracle, float((share_QM[:, best] > 0).mean()), int(prefers_Q.sum()), len(prefers_Q),
        float(np.ptp(rewards_QM)),
    )  # fmt: skip
    return PoolReport(
        named(experts, win_share), int(prefers_Q.sum()), len(prefers_Q), experts[best], means[best], oracle, worth,
        sentence,
    )  # fmt: skip


def _verdict(
    best: str, single: float, oracle: float, unbeaten: float, prefers: int, rows: int, spread: float
) -> tuple[bool, str]:
    """Whether routing can pay, and why."""
    if prefers < SMALL_PREFERENCE_SHARE * rows:
        return False, (
            f"This pool is not worth routing: on {rows - prefers} of {rows} training queries every expert "
            "earns the same reward."
        )
    if unbeaten >= LARGE_WIN_SHARE:
        return False, (
            f"This pool is not worth routing: {best} is unbeaten on {unbeaten:.0%} of the training queries; "
            "use it alone."
        )
    if oracle - single < SMALL_GAP * spread:
        return False, (
            f"This pool is not worth routing: a perfect choice would earn {oracle:.3f} per query, "
            f"{best} alone earns {single:.3f}."
        )
    return True, (
        f"The best single expert, {best}, earns {single:.3f} per training query and a perfect choice {oracle:.3f}: "
        "that gap is what a router can win."
    )
