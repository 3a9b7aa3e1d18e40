"""Reliability of probabilities, by hand."""

import numpy as np
import pytest

from zooter_ray.evaluation.calibration import best_share, expected_calibration_error, reliability

PROBABILITIES_QM = np.array([[0.75, 0.25], [0.75, 0.25], [0.25, 0.75], [1.0, 0.0]])
VALUE_QM = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [2.0, 2.0]])


def test_rows_with_several_best_experts_share_their_win() -> None:
    assert best_share(VALUE_QM).tolist() == [[1, 0], [0, 1], [0, 1], [0.5, 0.5]]


def test_bins_hold_what_was_predicted_and_what_came() -> None:
    found = [(b.low, b.high, b.pairs, b.predicted, b.observed) for b in reliability(PROBABILITIES_QM, VALUE_QM, bins=4)]
    assert found == [
        (0.0, 0.25, 1, 0.0, 0.5),
        (0.25, 0.5, 3, 0.25, pytest.approx(1 / 3)),
        (0.75, 1.0, 4, pytest.approx(0.8125), pytest.approx(2.5 / 4)),
    ]


def test_the_error_is_the_mean_gap_over_pairs() -> None:
    bins = reliability(PROBABILITIES_QM, VALUE_QM, bins=4)
    assert expected_calibration_error(bins) == pytest.approx((1 * 0.5 + 3 * (1 / 3 - 0.25) + 4 * 0.1875) / 8)


def test_probabilities_that_come_true_have_no_error() -> None:
    assert expected_calibration_error(reliability(np.eye(3), np.eye(3))) == 0
