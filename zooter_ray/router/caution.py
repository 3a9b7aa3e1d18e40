"""Caution: where a router's lead over the best single expert is small, the best single expert answers.

A query unlike any in training makes a router vote for an expert by a small margin; queries that it knows, seldom. So a
bias on one logit costs next to nothing on known tasks, and keeps a router from doing worse than no router on unknown
ones (benchmarks/quality.md: one task left out).
"""

import numpy as np


def caution_bias(logits_QM: np.ndarray, expert: int, share: float) -> float:
    """What to add to the logit of the best single expert (its column), such that it is chosen where the lead is least.

    The lead of a query is the largest logit less that of the best single expert, 0 where that is the largest. Leads are
    given up from the smallest on, as long as they add up to this share of all of them at most; the bias lies midway
    between the last that is given up and the next. A temperature changes bias and leads alike, and no choice.
    """
    lead_Q = np.sort(np.append(0.0, logits_QM.max(axis=1) - logits_QM[:, expert]))
    given_up = int((lead_Q.cumsum() <= share * lead_Q.sum()).sum())
    return 0.0 if given_up == len(lead_Q) else float(lead_Q[given_up - 1 : given_up + 1].mean())
