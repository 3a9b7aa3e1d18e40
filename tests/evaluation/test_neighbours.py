"""The nearest-neighbour baseline, by hand."""

import numpy as np
import pytest

from zooter_ray.evaluation import neighbours
from zooter_ray.evaluation.neighbours import best_k, choose_by_neighbours

ANGLES = np.radians([0, 10, 20, 90, 100])
TRAINING_QD = np.column_stack([np.cos(ANGLES), np.sin(ANGLES)])
# The first expert is best near 0 degrees, but for the query at 10; the second near 90.
VALUES_QM = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])


def at(*degrees: float) -> np.ndarray:
    radians = np.radians(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)])


@pytest.mark.parametrize(("k", "chosen"), [(1, [1, 1]), (3, [0, 1]), (5, [1, 1]), (99, [1, 1])])
def test_the_expert_that_was_best_on_the_k_nearest_queries_is_chosen(k: int, chosen: list[int]) -> None:
    assert choose_by_neighbours(at(9, 95), TRAINING_QD, VALUES_QM, k).tolist() == chosen


def test_no_rows_get_no_choices() -> None:
    assert choose_by_neighbours(at(), TRAINING_QD, VALUES_QM, 2).tolist() == []


def test_k_is_chosen_by_what_it_earns_on_training_rows_without_themselves() -> None:
    # Noisy labels in two clusters: one neighbour is often wrong, ten are not.
    random = np.random.default_rng(0)
    cluster_Q = np.arange(200) % 2
    embeddings_QD = at(*(90 * cluster_Q + random.normal(0, 5, 200)))
    flipped_Q = random.random(200) < 0.3
    values_QM = np.eye(2)[np.where(flipped_Q, 1 - cluster_Q, cluster_Q)]
    assert best_k(embeddings_QD, values_QM, seed=0) >= 10


def test_rows_that_do_not_fit_at_once_are_taken_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    together = best_k(TRAINING_QD, VALUES_QM, seed=0)
    monkeypatch.setattr(neighbours, "SIMILARITIES_TOGETHER", 2 * len(TRAINING_QD))
    assert choose_by_neighbours(np.tile(at(9, 95), (3, 1)), TRAINING_QD, VALUES_QM, 3).tolist() == [0, 1] * 3
    assert best_k(TRAINING_QD, VALUES_QM, seed=0) == together
