"""The nearest-neighbour baseline: the expert that was best, on average, on the k training queries most alike.

Q training rows, B rows to choose for, M experts, D dimensions. Embeddings have unit length, so a dot product ranks.
"""

from collections.abc import Iterator

import numpy as np

CANDIDATES = (1, 2, 5, 10, 20, 50, 100, 200)
SIMILARITIES_TOGETHER = 2**24
ROWS_TO_CHOOSE_BY = 2000


def choose_by_neighbours(
    embeddings_BD: np.ndarray, training_QD: np.ndarray, values_QM: np.ndarray, k: int
) -> np.ndarray:
    """The chosen expert (B,) of each row, as an index."""
    chosen = [
        values_QM[_nearest(similarity, k)].mean(axis=1).argmax(axis=1)
        for similarity in _similarities(embeddings_BD, training_QD)
    ]
    return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)


def best_k(training_QD: np.ndarray, values_QM: np.ndarray, seed: int) -> int:
    """The k whose choices earn most per training row, each of which is left out of its own neighbours.

    Many rows are too many to compare all with all: 2,000 of them, drawn by `seed`, do the choosing. The smallest k
    wins a tie.
    """
    rows = np.random.default_rng(seed).permutation(len(training_QD))[:ROWS_TO_CHOOSE_BY]
    candidates = [k for k in CANDIDATES if k < len(training_QD)] or [1]
    earned = dict.fromkeys(candidates, 0.0)
    blocks = _blocks(len(rows), len(training_QD))
    for chosen_rows, similarity in zip(blocks, _similarities(training_QD[rows], training_QD), strict=True):
        block = rows[chosen_rows]
        similarity[np.arange(len(block)), block] = -np.inf
        order = _nearest(similarity, max(candidates))
        for k in candidates:
            chosen = values_QM[order[:, :k]].mean(axis=1).argmax(axis=1)
            earned[k] += float(values_QM[block, chosen].sum())
    return max(candidates, key=lambda k: earned[k])


def _similarities(embeddings_BD: np.ndarray, training_QD: np.ndarray) -> Iterator[np.ndarray]:
    """Cosines of some rows at a time with every training row, to bound the memory."""
    training_DQ = training_QD.T.astype(np.float32)
    for block in _blocks(len(embeddings_BD), len(training_QD)):
        yield embeddings_BD[block].astype(np.float32) @ training_DQ


def _blocks(count: int, training_rows: int) -> list[slice]:
    size = max(1, SIMILARITIES_TOGETHER // max(1, training_rows))
    return [slice(start, start + size) for start in range(0, count, size)]


def _nearest(similarity_BQ: np.ndarray, k: int) -> np.ndarray:
    """Indices (B, k) of the most similar training rows, nearest first."""
    k = min(k, similarity_BQ.shape[1])
    top = np.argpartition(-similarity_BQ, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(similarity_BQ, top, axis=1), axis=1, kind="stable")
    return np.take_along_axis(top, order, axis=1)
