"""Figures of merit: means per source, paired bootstrap intervals, the share of the gap to the oracle that is closed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


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
    first_Q: np.ndarray, second_Q: np.ndarray, sources: Sequence[str], draws: int, confidence: float, seed: int
) -> Interval:
    """Percentile interval of the mean over sources of first - second, on the same rows.

    Rows are drawn anew within each source: the counts of a source's n rows in a draw are multinomial, so a draw is
    one product of counts and differences.
    """
    rng = np.random.default_rng(seed)
    labels = np.array(sources)
    difference_Q = first_Q - second_Q
    means = [_drawn_means(difference_Q[labels == source], draws, rng) for source in sorted(set(sources))]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.mean(means, axis=0), [tail, 1 - tail])
    return Interval(mean_over_sources(difference_Q, sources), float(low), float(high))


def _drawn_means(rows: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Means (draws,) of rows drawn with replacement, some draws at a time to bound the memory."""
    chance = np.full(len(rows), 1 / len(rows))
    chunks = (min(500, draws - start) for start in range(0, draws, 500))
    return np.concatenate([rng.multinomial(len(rows), chance, size=size) @ rows / len(rows) for size in chunks])


def gap_closed(method: float, single: float, oracle: float) -> float | None:
    """Share of the way from the best single expert to the oracle; None where there is no gap."""
    return None if oracle <= single else (method - single) / (oracle - single)
