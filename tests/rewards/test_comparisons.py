"""Comparisons become rewards: the mean over all j of C[i, j] - C[j, i]."""

import subprocess
import sys

import numpy as np
import pytest

from zooter_ray.rewards.comparisons import aggregate

NAN = float("nan")


def test_a_reward_is_the_mean_of_won_minus_lost_margins_worked_out_by_hand() -> None:
    comparisons_QMM = np.array(
        [
            [[0.0, 2.0, -1.0], [-1.0, 0.0, 3.0], [4.0, -2.0, 0.0]],
            [[0.0, 1.0, 1.0], [-1.0, 0.0, 0.0], [-2.0, 0.5, 0.0]],
        ]
    )
    # query 1: 0 against 1: 2+1 = 3, 0 against 2: -1-4 = -5, 1 against 2: 3+2 = 5
    # query 2: 0 against 1: 1+1 = 2, 0 against 2: 1+2 = 3, 1 against 2: 0-0.5 = -0.5
    expected_QM = [[-2 / 3, 2 / 3, 0.0], [5 / 3, -2.5 / 3, -2.5 / 3]]
    np.testing.assert_allclose(aggregate(comparisons_QMM), expected_QM)


def test_the_rewards_of_a_query_sum_to_zero_and_follow_a_reordered_pool() -> None:
    comparisons_QMM = np.random.default_rng(0).normal(size=(4, 5, 5))
    rewards_QM = aggregate(comparisons_QMM)
    np.testing.assert_allclose(rewards_QM.sum(axis=1), 0.0, atol=1e-12)
    order = [3, 0, 4, 2, 1]
    np.testing.assert_allclose(aggregate(comparisons_QMM[:, order][:, :, order]), rewards_QM[:, order])


@pytest.mark.parametrize("diagonal", [NAN, 0.0, 7.0])
def test_what_stands_on_the_diagonal_does_not_matter(diagonal: float) -> None:
    comparisons_QMM = np.array([[[diagonal, 2.0], [-1.0, diagonal]]])
    np.testing.assert_allclose(aggregate(comparisons_QMM), [[1.5, -1.5]])


def test_an_expert_that_misses_a_comparison_has_no_reward_and_neither_has_the_other_one() -> None:
    comparisons_QMM = np.array([[[0.0, 1.0, 2.0], [NAN, 0.0, 3.0], [-1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]] * 3])
    rewards_QM = aggregate(comparisons_QMM)
    assert np.isnan(rewards_QM[0, :2]).all()
    assert np.isfinite(rewards_QM[0, 2])  # compared with both: (-1 - 2) + (0 - 3)
    assert rewards_QM[0, 2] == pytest.approx(-6 / 3)
    assert np.isfinite(rewards_QM[1]).all()


def test_an_expert_alone_has_nothing_to_win() -> None:
    np.testing.assert_allclose(aggregate(np.array([[[NAN]]])), [[0.0]])


def test_rewards_come_without_torch() -> None:
    code = "import sys, zooter_ray.rewards.comparisons; assert not {'torch', 'transformers'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
