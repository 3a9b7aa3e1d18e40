"""Do the router's probabilities mean what they say?

A probability says how often an expert is the best of the pool, on queries on which the experts differ: where all are
worth the same (by metrics, if there are any) no choice is right or wrong, and such rows are left out.
"""

from dataclasses import dataclass

import numpy as np

from zooter_ray.labels import has_preference
from zooter_ray.outcomes import best_share

ROWS_PER_BIN = 30


@dataclass(frozen=True)
class Bin:
    """Rows whose chosen experts have like probabilities, `low` to `high`."""

    low: float
    high: float
    rows: int
    predicted: float  # mean probability of the chosen experts
    observed: float  # how often they were the best of their row


def reliability(probabilities_QM: np.ndarray, value_QM: np.ndarray, bins: int | None = None) -> list[Bin]:
    """The chosen experts of rows on which experts differ, in bins of as many rows each as equal probabilities allow.

    By default ten, or as many as have ROWS_PER_BIN: in smaller ones chance alone makes a gap.
    """
    differ_Q = has_preference(value_QM)
    if not differ_Q.any():
        return []
    rows = int(differ_Q.sum())
    bins = bins or max(1, min(10, rows // ROWS_PER_BIN))
    chosen = np.arange(rows), probabilities_QM[differ_Q].argmax(axis=1)
    predicted_Q, observed_Q = probabilities_QM[differ_Q][chosen], best_share(value_QM[differ_Q])[chosen]
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
