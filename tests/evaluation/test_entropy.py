"""Reward entropy, by hand."""

import numpy as np
import pytest

from zooter_ray.evaluation.entropy import binned_means, reward_entropy


def test_entropy_is_one_without_a_preference_and_falls_with_a_clear_one() -> None:
    found = reward_entropy(np.array([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [100.0, 0.0, 0.0]]), temperature=1.0)
    p = np.exp(1) / (np.exp(1) + 2)
    q = (1 - p) / 2
    assert found.tolist() == pytest.approx([1, -(p * np.log(p) + 2 * q * np.log(q)) / np.log(3), 0], abs=1e-9)


def test_a_lower_temperature_makes_preferences_clearer() -> None:
    rewards_QM = np.array([[1.0, 0.0]])
    assert reward_entropy(rewards_QM, 0.25) < reward_entropy(rewards_QM, 1.0)


def test_bins_average_entropy_and_values() -> None:
    value_KQ = np.array([[1.0, 0.0, 1.0, 0.5], [0.0, 0.2, 0.6, 1.0]])
    found = binned_means(np.array([0.05, 0.15, 0.15, 1.0]), value_KQ)
    assert found == [(0.05, [1.0, 0.0], 1), (pytest.approx(0.15), [0.5, pytest.approx(0.4)], 2), (1.0, [0.5, 1.0], 1)]
