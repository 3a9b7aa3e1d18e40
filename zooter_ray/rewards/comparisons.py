"""Comparisons of a pool's responses, pair by pair -> a reward per expert. Q queries, M experts; needs no torch."""

import numpy as np


def aggregate(comparisons_QMM: np.ndarray) -> np.ndarray:
    """Rewards (Q, M): the mean over all j of C[i, j] - C[j, i], where C[i, j] says by how much i is better than j.

    Both orders count, because the model that compares is not antisymmetric. The diagonal, which nobody scores, counts
    as 0, as in LLM-Blender (Jiang et al., ACL 2023), whose `max_logits` policy this is: it divides by M as well, so the
    mean over the other experts is M / (M - 1) times as large, and for its ranks it takes the sum, M times as large.
    The rewards of a query sum to 0. They depend on the pool: another expert changes everyone's.

    An expert that misses a comparison (NaN) with any other, in either order, has no reward (NaN).
    """
    margins_QMM = comparisons_QMM - comparisons_QMM.swapaxes(1, 2)
    itself_MM = np.eye(comparisons_QMM.shape[1], dtype=bool)
    rewards_QM: np.ndarray = np.where(itself_MM, 0.0, margins_QMM).mean(axis=2)
    return rewards_QM
