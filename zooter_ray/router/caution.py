"""Caution: where a router's lead over the best single expert is small, the best single expert answers.

A query unlike any in training makes a router prefer an expert by a small lead; queries that it knows, seldom. So a bias
on one logit costs next to nothing on known tasks, and earned two points on tasks that were left out of training
(benchmarks/quality.md).
"""

import numpy as np


def caution_bias(logits_QM: np.ndarray, expert: int, share: float) -> float:
    """What to add to the logit of the best single expert (its column), so that it is chosen where the lead is small.

    The lead of a query is the largest logit less that of the best single expert; 0 where that is the largest. Leads are
    given up from the smallest on, equal ones together, until they add up to this share of the sum of all; within the
    next, the bias is interpolated. A temperature changes bias and leads alike, and no choice.
    """
    levels, rows = np.unique(logits_QM.max(axis=1) - logits_QM[:, expert], return_counts=True)
    given_up = np.cumsum(levels * rows)
    return float(np.interp(share * given_up[-1], [0.0, *given_up], [0.0, *levels]))
