"""Temperature scaling against values worked out by hand."""

import numpy as np
import pytest

from zooter_ray.router.calibration import at_bound, fit_temperature, negative_log_likelihood


def test_the_likelihood_of_two_experts_by_hand() -> None:
    logits_QM, target_QM = np.array([[np.log(3), 0.0]]), np.array([[1.0, 0.0]])
    assert negative_log_likelihood(logits_QM, target_QM, 1.0) == pytest.approx(-np.log(3 / 4))
    assert negative_log_likelihood(logits_QM, target_QM, 0.5) == pytest.approx(-np.log(9 / 10))


@pytest.mark.parametrize("temperature", [0.25, 1.0, 8.0])
def test_the_temperature_that_spoiled_the_logits_is_found(temperature: float) -> None:
    right_QM = np.random.default_rng(0).normal(size=(200, 3))
    target_QM = np.exp(right_QM) / np.exp(right_QM).sum(axis=1, keepdims=True)
    assert fit_temperature(right_QM * temperature, target_QM) == pytest.approx(temperature, rel=1e-3)


def test_logits_that_say_nothing_true_are_flattened_and_those_that_never_err_are_sharpened() -> None:
    logits_QM, right_QM = np.array([[2.0, 0.0], [2.0, 0.0]]), np.array([[1.0, 0.0]] * 2)
    assert fit_temperature(logits_QM, np.eye(2)) > 19
    assert fit_temperature(logits_QM, right_QM) < 0.25


@pytest.mark.parametrize("margin", [2.0, 3.0, 8.0, 40.0, 100.0])
def test_rows_that_are_all_right_or_all_wrong_tell_no_temperature(margin: float) -> None:
    logits_QM = np.array([[margin, 0.0]] * 5)
    for target_QM in (np.array([[1.0, 0.0]] * 5), np.array([[0.0, 1.0]] * 5)):
        assert at_bound(logits_QM, target_QM, fit_temperature(logits_QM, target_QM))


def test_rows_of_both_kinds_tell_a_temperature() -> None:
    logits_QM, target_QM = np.array([[2.0, 0.0]] * 4), np.array([[1.0, 0.0]] * 3 + [[0.0, 1.0]])
    temperature = fit_temperature(logits_QM, target_QM)
    assert temperature == pytest.approx(2 / np.log(3), rel=1e-3)
    assert not at_bound(logits_QM, target_QM, temperature)
