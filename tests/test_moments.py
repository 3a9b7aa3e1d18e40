"""Rewards of several reward models on one scale, with numbers worked out by hand."""

import numpy as np
import pytest

from zooter_ray.moments import Moments, moments, standardise, weighted_mean


def test_rewards_are_standardised_by_the_moments_of_the_training_rows() -> None:
    over = moments(np.array([[1.0, 3.0], [5.0, 7.0]]))
    # Mean 4; squared deviations 9 + 1 + 1 + 9 = 20; standard deviation sqrt(20 / 4).
    assert over == Moments(4, 4.0, 20.0)
    np.testing.assert_allclose(standardise(np.array([[4.0, 9.0]]), over), [[0.0, 5 / 5**0.5]])


def test_moments_of_parts_add_up_and_missing_rewards_do_not_count() -> None:
    whole_QM = np.array([[1.0, 3.0], [5.0, np.nan], [2.0, 10.0]])
    added = moments(whole_QM[:1]) + moments(whole_QM[1:1]) + moments(whole_QM[1:])
    assert (added.count, added.mean, added.deviations) == pytest.approx((5, 4.2, 50.8))
    assert moments(whole_QM).deviations == pytest.approx(50.8)


def test_a_large_mean_does_not_spoil_a_small_spread() -> None:
    rewards_QM = 1e6 + np.array([[0.00, 0.01], [0.02, 0.03]])
    z_QM = standardise(rewards_QM, moments(rewards_QM[:1]) + moments(rewards_QM[1:]))
    assert z_QM.std() == pytest.approx(1, rel=1e-6)


def test_rewards_that_do_not_vary_say_nothing() -> None:
    same_QM = np.full((3, 2), 0.3)
    np.testing.assert_array_equal(standardise(same_QM, moments(same_QM)), np.zeros((3, 2)))


def test_the_weighted_mean_weighs_standardised_rewards() -> None:
    rewards = {"a": np.array([[1.0, 3.0]]), "b": np.array([[30.0, 10.0]]), "unused": np.array([[np.nan, 0.0]])}
    over = {name: moments(rewards_QM) for name, rewards_QM in rewards.items()}
    # a: -1, 1; b: 1, -1; (3 x -1 + 1 x 1) / 4.
    np.testing.assert_allclose(weighted_mean(rewards, over, {"a": 3.0, "b": 1.0}), [[-0.5, 0.5]])
