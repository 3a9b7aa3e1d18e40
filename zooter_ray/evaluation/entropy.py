"""How sure is a reward model, and does it matter? Figure 3 of the paper."""

import numpy as np

from zooter_ray.labels import sample_labels


def reward_entropy(rewards_QM: np.ndarray, temperature: float) -> np.ndarray:
    """Entropy (Q,) of softmax(rewards / T), divided by log M: 0 for one clear favourite, 1 for no preference."""
    label_QM = sample_labels(rewards_QM, temperature)
    entropy_Q = -(label_QM * np.log(np.maximum(label_QM, np.finfo(float).tiny))).sum(axis=1)
    result: np.ndarray = entropy_Q / np.log(label_QM.shape[1])
    return result


def binned_means(entropy_Q: np.ndarray, value_KQ: np.ndarray, bins: int = 10) -> list[tuple[float, list[float], int]]:
    """Mean entropy, means of K values, and count of the rows in bins of equal width over [0, 1] that hold any."""
    number_Q = np.minimum((entropy_Q * bins).astype(int), bins - 1)
    groups = [number_Q == number for number in np.unique(number_Q)]
    return [(float(entropy_Q[g].mean()), value_KQ[:, g].mean(axis=1).tolist(), int(g.sum())) for g in groups]
