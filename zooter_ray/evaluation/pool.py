"""Is a pool worth routing? Answered from rewards alone, before any router is trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zooter_ray.labels import has_preference

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


def pool_report(experts: Sequence[str], rewards_QM: np.ndarray, shown: Mapping[str, str] | None = None) -> PoolReport:
    """Win shares, the gap between oracle and best single expert, and a plain sentence.

    Args:
        experts: ids in the order of the columns.
        rewards_QM: rewards (Q, M) of training rows.
        shown: how the ids are shown.
    """
    prefers_Q = has_preference(rewards_QM)
    wins_QM = rewards_QM == rewards_QM.max(axis=1, keepdims=True)
    share_QM = (wins_QM / wins_QM.sum(axis=1, keepdims=True))[prefers_Q]
    win_share = share_QM.mean(axis=0) if len(share_QM) else np.zeros(len(experts))
    means = rewards_QM.mean(axis=0)
    best = int(means.argmax())
    oracle = float(rewards_QM.max(axis=1).mean())
    name = (shown or {}).get(experts[best], experts[best])
    worth, sentence = _verdict(
        name, float(means[best]), oracle, float(wins_QM[:, best].mean()), int(prefers_Q.sum()), len(prefers_Q),
        float(np.ptp(rewards_QM)),
    )  # fmt: skip
    return PoolReport(
        dict(zip(experts, win_share.tolist(), strict=True)), int(prefers_Q.sum()), len(prefers_Q), experts[best],
        float(means[best]), oracle, worth, sentence,
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
