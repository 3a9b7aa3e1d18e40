"""Do the router's probabilities mean what they say?"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bin:
    """Pairs of (query, expert) whose probabilities lie between `low` and `high`."""

    low: float
    high: float
    pairs: int
    predicted: float  # their mean probability
    observed: float  # how often the expert was the best of its row


def best_share(value_QM: np.ndarray) -> np.ndarray:
    """1 where an expert is the best of its row, 0 where not, shared (Q, M) where several are: rows add up to 1."""
    best_QM = value_QM == value_QM.max(axis=1, keepdims=True)
    result: np.ndarray = best_QM / best_QM.sum(axis=1, keepdims=True)
    return result


def reliability(probabilities_QM: np.ndarray, value_QM: np.ndarray, bins: int = 10) -> list[Bin]:
    """Bins of equal width over [0, 1] that hold anything, over every pair of query and expert."""
    probability, share = probabilities_QM.ravel(), best_share(value_QM).ravel()
    number = np.minimum((probability * bins).astype(int), bins - 1)
    found = []
    for index in np.unique(number):
        inside = number == index
        found.append(
            Bin(
                index / bins,
                (index + 1) / bins,
                int(inside.sum()),
                float(probability[inside].mean()),
                float(share[inside].mean()),
            )
        )
    return found


def expected_calibration_error(bins: list[Bin]) -> float:
    """Mean gap between predicted and observed, weighted by pairs."""
    pairs = sum(item.pairs for item in bins)
    return sum(item.pairs * abs(item.predicted - item.observed) for item in bins) / pairs
