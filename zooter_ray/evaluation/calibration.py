"""Do the router's probabilities mean what they say?

A probability says how often an expert is the best of the pool, on queries on which the experts differ: where all are
worth the same no choice is right or wrong, and such rows are left out here as they are in training.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bin:
    """Rows whose chosen experts have like probabilities, `low` to `high`."""

    low: float
    high: float
    rows: int
    predicted: float  # mean probability of the chosen experts
    observed: float  # how often they were the best of their row


def telling(value_QM: np.ndarray) -> np.ndarray:
    """Whether experts differ on a row (Q,)."""
    result: np.ndarray = value_QM.min(axis=1) < value_QM.max(axis=1)
    return result


def best_share(value_QM: np.ndarray) -> np.ndarray:
    """1 where an expert is the best of its row, 0 where not, shared (Q, M) where several are: rows add up to 1."""
    best_QM = value_QM == value_QM.max(axis=1, keepdims=True)
    result: np.ndarray = best_QM / best_QM.sum(axis=1, keepdims=True)
    return result


def reliability(probabilities_QM: np.ndarray, value_QM: np.ndarray, bins: int = 10) -> list[Bin]:
    """The chosen experts of rows on which experts differ, in bins of as many rows each as equal probabilities allow."""
    rows = telling(value_QM)
    if not rows.any():
        return []
    chosen = np.arange(int(rows.sum())), probabilities_QM[rows].argmax(axis=1)
    predicted_Q, observed_Q = probabilities_QM[rows][chosen], best_share(value_QM[rows])[chosen]
    edges = np.quantile(predicted_Q, np.arange(1, bins) / bins)
    number_Q = np.searchsorted(edges, predicted_Q, side="left")
    return [
        Bin(
            float(predicted_Q[inside].min()),
            float(predicted_Q[inside].max()),
            int(inside.sum()),
            float(predicted_Q[inside].mean()),
            float(observed_Q[inside].mean()),
        )
        for inside in (number_Q == index for index in np.unique(number_Q))
    ]


def expected_calibration_error(bins: list[Bin]) -> float | None:
    """Mean gap between predicted and observed over the rows of all bins; None without any."""
    rows = sum(item.rows for item in bins)
    return sum(item.rows * abs(item.predicted - item.observed) for item in bins) / rows if rows else None
