"""Clusters of queries by meaning: k-means over their embeddings, of unit length.

Q queries, D dimensions, T clusters.
"""

from collections.abc import Sequence

import numpy as np


def cluster_centres(embeddings_QD: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Centres (T, D); as many as there are queries, if these are fewer than `clusters`."""
    from sklearn.cluster import MiniBatchKMeans  # takes a second to import, which not every task needs

    model = MiniBatchKMeans(min(clusters, len(embeddings_QD)), random_state=seed, n_init=3, batch_size=4096)
    centre_TD: np.ndarray = model.fit(embeddings_QD).cluster_centers_
    return centre_TD


def cluster_tags(embeddings_QD: np.ndarray, centre_TD: np.ndarray) -> Sequence[str]:
    """The tag of each query: its nearest centre, which for unit lengths has the largest x.c - |c|^2 / 2."""
    affinity_QT = embeddings_QD @ centre_TD.T - (centre_TD**2).sum(axis=1) / 2
    return [f"cluster {number}" for number in affinity_QT.argmax(axis=1)]
