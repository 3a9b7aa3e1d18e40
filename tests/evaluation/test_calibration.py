"""Reliability of probabilities, by hand."""

from itertools import pairwise

import numpy as np
import pytest

from zooter_ray.evaluation.calibration import expected_calibration_error, reliability
from zooter_ray.outcomes import best_share

PROBABILITIES_QM = np.array([[0.75, 0.25], [0.75, 0.25], [0.375, 0.625], [1.0, 0.0], [0.5, 0.5]])
VALUE_QM = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 1.0], [2.0, 2.0]])


def test_rows_with_several_best_experts_share_their_win() -> None:
    assert best_share(np.array([[1.0, 0.0], [2.0, 2.0]])).tolist() == [[1, 0], [0.5, 0.5]]


def test_bins_hold_what_was_said_of_the_chosen_experts_and_what_came() -> None:
    """The last row's experts are worth the same: it says nothing. Equal probabilities share a bin."""
    found = [(b.low, b.high, b.rows, b.predicted, b.observed) for b in reliability(PROBABILITIES_QM, VALUE_QM, bins=4)]
    assert found == [(0.625, 0.625, 1, 0.625, 1.0), (0.75, 0.75, 2, 0.75, 0.5), (1.0, 1.0, 1, 1.0, 1.0)]


@pytest.mark.parametrize(("rows", "bins_of"), [(7, {7}), (89, {44, 45}), (1003, {100, 101})])
def test_bins_hold_like_many_rows_and_at_least_thirty(rows: int, bins_of: set[int]) -> None:
    chosen_Q = np.linspace(0.5, 1.0, rows)
    bins = reliability(np.stack([chosen_Q, 1 - chosen_Q], axis=1), np.tile([1.0, 0.0], (rows, 1)))
    assert {item.rows for item in bins} == bins_of
    assert all(before.high < after.low for before, after in pairwise(bins))


def test_the_error_is_the_mean_gap_over_rows() -> None:
    bins = reliability(PROBABILITIES_QM, VALUE_QM, bins=4)
    assert expected_calibration_error(bins) == pytest.approx((1 * 0.375 + 2 * 0.25 + 1 * 0) / 4)


def test_probabilities_that_come_true_have_no_error() -> None:
    assert expected_calibration_error(reliability(np.eye(3), np.eye(3))) == 0


@pytest.mark.parametrize("experts", [2, 40])
def test_a_sure_router_that_knows_nothing_has_a_large_error(experts: int) -> None:
    """It chooses at random, and is sure: one in `experts` of its choices is the best."""
    rng = np.random.default_rng(0)
    probabilities_QM = np.full((4000, experts), 0.1 / (experts - 1))
    probabilities_QM[np.arange(4000), rng.integers(experts, size=4000)] = 0.9
    found = expected_calibration_error(reliability(probabilities_QM, rng.random((4000, experts))))
    assert found == pytest.approx(0.9 - 1 / experts, abs=0.03)


def test_where_experts_never_differ_there_is_nothing_to_tell() -> None:
    assert reliability(PROBABILITIES_QM, np.ones((5, 2))) == []
    assert expected_calibration_error([]) is None
