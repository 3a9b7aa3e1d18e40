"""Figures of merit: means and ranks per source, paired bootstrap intervals, the gap to the oracle."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

COUNTS_TOGETHER = 2**22


@dataclass(frozen=True)
class Interval:
    """A difference and its bootstrap interval."""

    difference: float
    low: float
    high: float


def source_means(value_Q: np.ndarray, sources: Sequence[str]) -> dict[str, float]:
    """Mean of the values over the rows of each source, sources sorted."""
    labels = np.array(sources)
    return {source: float(value_Q[labels == source].mean()) for source in sorted(set(sources))}


def mean_over_sources(value_Q: np.ndarray, sources: Sequence[str]) -> float:
    """Mean of the source means: every source counts the same, however many rows it has."""
    return float(np.mean(list(source_means(value_Q, sources).values())))


def paired_bootstrap(
    difference_KQ: np.ndarray, sources: Sequence[str], draws: int, confidence: float, seed: int
) -> list[Interval]:
    """Percentile intervals of the mean over sources of K differences between methods, all on the same rows.

    Rows are drawn anew within each source: the counts of a source's n rows in a draw are multinomial, so the means of
    all differences over some draws are one product of matrices.
    """
    rng = np.random.default_rng(seed)
    labels = np.array(sources)
    means = [_drawn_means(difference_KQ[:, labels == source], draws, rng) for source in sorted(set(sources))]
    tail = (1 - confidence) / 2
    low_K, high_K = np.quantile(np.mean(means, axis=0), [tail, 1 - tail], axis=1)
    return [
        Interval(mean_over_sources(difference_Q, sources), float(low), float(high))
        for difference_Q, low, high in zip(difference_KQ, low_K, high_K, strict=True)
    ]


def _drawn_means(rows_KN: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means (K, draws) of rows drawn with replacement, some draws at a time to bound the memory."""
    count = rows_KN.shape[1]
    chance = np.full(count, 1 / count)
    together = max(1, COUNTS_TOGETHER // count)
    chunks = (min(together, draws - start) for start in range(0, draws, together))
    return np.concatenate([rows_KN @ rng.multinomial(count, chance, size=size).T / count for size in chunks], axis=1)


def task_ranks(value_KS: np.ndarray, is_expert_K: np.ndarray, against: str) -> np.ndarray:
    """Rank (K, S) of each method on each source: one more than there are better ones; ties take the better rank.

    Args:
        value_KS: mean of K methods on S sources.
        is_expert_K: which methods are single experts.
        against: `experts` ranks each method against the single experts alone, as the figures of the paper's Table 1
            ask for; `all` ranks all methods jointly.
    """
    rivals_K = is_expert_K if against == "experts" else np.ones_like(is_expert_K)
    value_KS = value_KS.round(9)  # means of the same choices may differ in their last bits
    better_KKS = value_KS[None, :, :] > value_KS[:, None, :]
    result: np.ndarray = 1 + (better_KKS & rivals_K[None, :, None]).sum(axis=1)
    return result


def mean_task_rank(rank_KS: np.ndarray) -> list[float]:
    """MTR of each method: mean of its ranks over the sources; lower is better."""
    ranks: list[float] = rank_KS.mean(axis=1).tolist()
    return ranks


def uplift(rank_KS: np.ndarray) -> list[float]:
    """Share of the sources on which each method is the best of those that it is ranked against."""
    shares: list[float] = (rank_KS == 1).mean(axis=1).tolist()
    return shares


def gap_closed(method: float, single: float, oracle: float) -> float | None:
    """Share of the way from the best single expert to the oracle; None where there is no gap."""
    return None if oracle <= single else (method - single) / (oracle - single)
