"""Is a pool worth routing?"""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zooter_ray.evaluation.pool import SMALL_GAP, PoolReport, pool_report

EXPERTS = ["llama", "vicuna"]


def pool(experts: list[str], rewards_QM: np.ndarray, shown: dict[str, str] | None = None) -> PoolReport:
    return pool_report(experts, rewards_QM, ["all"] * len(rewards_QM), shown)


def rows(*counted: tuple[int, float, float]) -> np.ndarray:
    """Rewards (Q, 2) of so many rows each."""
    return np.array([[first, second] for count, first, second in counted for _ in range(count)])


def test_a_pool_whose_experts_win_on_different_queries_is_worth_routing() -> None:
    report = pool(EXPERTS, rows((60, 1, 0), (30, 0, 1), (10, 1, 1)))
    assert report.worth_routing
    assert report.sentence == (
        "The best single expert, llama, earns 0.700 per training query and a perfect choice 1.000: "
        "that gap is what a router can win."
    )
    assert (report.best_single, report.best_single_mean, report.oracle_mean) == ("llama", 0.7, 1.0)
    assert (report.preference_rows, report.rows) == (90, 100)
    assert report.win_share == {"llama": pytest.approx(2 / 3), "vicuna": pytest.approx(1 / 3)}


def test_a_pool_without_preferences_is_not() -> None:
    report = pool(EXPERTS, rows((99, 0.5, 0.5), (1, 0, 1)))
    assert not report.worth_routing
    assert report.sentence == (
        "This pool is not worth routing: on 99 of 100 training queries every expert earns the same reward."
    )
    assert report.win_share == {"llama": 0.0, "vicuna": 1.0}


def test_a_pool_in_which_every_reward_is_the_same_is_not() -> None:
    report = pool(EXPERTS, rows((10, 1, 1)))
    assert not report.worth_routing
    assert "on 10 of 10 training queries" in report.sentence
    assert report.win_share == {"llama": 0.0, "vicuna": 0.0}


def test_a_pool_in_which_one_expert_is_never_beaten_is_not() -> None:
    report = pool(EXPERTS, rows((50, 0, 1), (48, 1, 1), (2, 1, 0)))
    assert not report.worth_routing
    assert report.sentence == (
        "This pool is not worth routing: vicuna is unbeaten on 98% of the training queries; use it alone."
    )


def test_a_pool_in_which_a_perfect_choice_earns_hardly_more_is_not() -> None:
    report = pool(EXPERTS, rows((50, 5.0, 5.1), (49, 5.0, 4.9), (1, 5.0, 0.0)))
    assert not report.worth_routing
    assert report.sentence == (
        "This pool is not worth routing: a perfect choice would earn 5.050 per query, llama alone earns 5.000."
    )


def test_a_little_more_than_the_limits_is_enough() -> None:
    assert pool(EXPERTS, rows((94, 1, 1), (3, 0, 1), (3, 1, 0))).worth_routing
    assert not pool(EXPERTS, rows((95, 1, 1), (4, 0, 1), (1, 1, 0))).worth_routing


def test_wins_are_shared_where_several_experts_have_the_best_reward() -> None:
    report = pool(["a", "b", "c"], np.array([[1, 1, 0], [1, 0, 0], [1, 1, 0], [2, 2, 2]]))
    assert report.win_share == pytest.approx({"a": 2 / 3, "b": 1 / 3, "c": 0.0})


def test_experts_are_shown_as_the_pool_shows_them() -> None:
    shown = {"llama": "llama (same weights as vicuna)"}
    report = pool(EXPERTS, rows((60, 1, 0), (40, 0, 1)), shown)
    assert report.sentence.startswith("The best single expert, llama (same weights as vicuna), earns 0.600")
    assert report.best_single == "llama"


def test_every_source_counts_the_same() -> None:
    # maths: llama 0.6, vicuna 0.5; code, of a tenth of the rows: llama 0.1, vicuna 0.9.
    rewards_QM = rows((90, 0.6, 0.5), (10, 0.1, 0.9))
    report = pool_report(EXPERTS, rewards_QM, ["maths"] * 90 + ["code"] * 10)
    assert (report.best_single, report.best_single_mean) == ("vicuna", pytest.approx(0.7))
    assert report.oracle_mean == pytest.approx(0.75)


@settings(deadline=None)  # the machine may be busy
@given(
    hnp.arrays(float, st.tuples(st.integers(1, 30), st.just(3)), elements=st.integers(-3, 3).map(float)),
    st.integers(1, 100),
    st.integers(-1000, 1000),
)
def test_the_verdict_does_not_depend_on_the_scale_of_the_rewards(
    rewards_QM: np.ndarray, factor: int, constant: int
) -> None:
    report = pool(["a", "b", "c"], rewards_QM)
    gap = report.oracle_mean - report.best_single_mean
    assume(abs(gap - SMALL_GAP * np.ptp(rewards_QM)) > 1e-9)  # there, rounding decides
    scaled = pool(["a", "b", "c"], rewards_QM * 2.0**factor + constant * 2.0**factor)
    assert scaled.worth_routing == report.worth_routing
    assert scaled.win_share == pytest.approx(report.win_share)
    assert report.oracle_mean >= report.best_single_mean
    assert sum(report.win_share.values()) == pytest.approx(1.0 if report.preference_rows else 0.0)
