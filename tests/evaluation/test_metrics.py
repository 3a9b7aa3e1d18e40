"""Means per source, bootstrap intervals and the gap that is closed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.evaluation.metrics import (
    Interval,
    gap_closed,
    grouped,
    mean_over_sources,
    paired_bootstrap,
    ranked_rows,
    source_means,
    standings,
    task_ranks,
)

VALUE_Q = np.array([1.0, 0.0, 5.0, 1.0, 0.0])
SOURCES = ["maths", "maths", "code", "maths", "maths"]


def test_source_means_are_means_over_the_rows_of_each_source() -> None:
    means = source_means(VALUE_Q, SOURCES)
    assert means == {"code": 5.0, "maths": 0.5}
    assert list(means) == ["code", "maths"]


def test_every_source_counts_the_same_however_many_rows_it_has() -> None:
    assert mean_over_sources(VALUE_Q, SOURCES) == 2.75
    assert VALUE_Q.mean() == 1.4


def interval_of(
    first_Q: np.ndarray, second_Q: np.ndarray, sources: list[str], draws: int, confidence: float, seed: int
) -> Interval:
    (interval,) = paired_bootstrap((first_Q - second_Q)[None], sources, draws, confidence, seed)
    return interval


def naive_bootstrap(
    first_Q: np.ndarray, second_Q: np.ndarray, sources: list[str], draws: int, confidence: float
) -> Interval:
    """The same interval in plain loops: draw rows of each source with replacement, average, take percentiles."""
    random = np.random.default_rng(12345)
    found = []
    for _ in range(draws):
        means = []
        for source in set(sources):
            rows = [row for row, name in enumerate(sources) if name == source]
            drawn = random.choice(rows, size=len(rows), replace=True)
            means.append(np.mean([first_Q[row] - second_Q[row] for row in drawn]))
        found.append(np.mean(means))
    tail = 100 * (1 - confidence) / 2
    difference = np.mean([(first_Q - second_Q)[np.array(sources) == source].mean() for source in set(sources)])
    return Interval(float(difference), float(np.percentile(found, tail)), float(np.percentile(found, 100 - tail)))


@pytest.mark.parametrize("confidence", [0.95, 0.8])
def test_the_interval_is_that_of_drawing_rows_in_plain_loops(confidence: float) -> None:
    random = np.random.default_rng(0)
    sources = ["maths"] * 30 + ["code"] * 10 + ["food"] * 5
    first_Q, second_Q = random.random(45), random.random(45) * 0.8
    fast = interval_of(first_Q, second_Q, sources, 4000, confidence, seed=0)
    slow = naive_bootstrap(first_Q, second_Q, sources, 1500, confidence)
    assert fast.difference == pytest.approx(slow.difference)
    width = slow.high - slow.low
    assert fast.low == pytest.approx(slow.low, abs=0.1 * width)
    assert fast.high == pytest.approx(slow.high, abs=0.1 * width)


@settings(deadline=None, max_examples=30)  # the machine may be busy
@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=20), st.integers(-8, 8), st.integers(0, 5))
def test_a_difference_that_is_the_same_on_every_row_has_no_width(sources: list[str], eighths: int, seed: int) -> None:
    second_Q = np.arange(len(sources)) * 0.5
    interval = interval_of(second_Q + eighths / 8, second_Q, sources, 100, 0.95, seed)
    assert [interval.difference, interval.low, interval.high] == pytest.approx([eighths / 8] * 3, abs=1e-12)


def test_rows_are_paired() -> None:
    values_Q = np.random.default_rng(0).normal(size=50) * 100
    interval = interval_of(values_Q + 1, values_Q, ["all"] * 50, 200, 0.95, seed=0)
    assert (interval.low, interval.high) == (pytest.approx(1), pytest.approx(1))


def test_rows_are_drawn_within_their_source() -> None:
    # One source gains 1 on each of its rows, the other loses 1: however the rows are drawn, the mean is 0.
    difference_Q = np.array([1.0] * 40 + [-1.0] * 3)
    interval = interval_of(difference_Q, np.zeros(43), ["a"] * 40 + ["b"] * 3, 500, 0.95, seed=0)
    assert (interval.difference, interval.low, interval.high) == pytest.approx((0, 0, 0))


def test_the_interval_holds_the_difference_and_grows_with_the_confidence() -> None:
    difference_Q = np.random.default_rng(1).normal(size=60)
    sources = ["a"] * 40 + ["b"] * 20
    found = [interval_of(difference_Q, np.zeros(60), sources, 2000, c, seed=0) for c in (0.5, 0.9, 0.99)]
    assert all(interval.low < interval.difference < interval.high for interval in found)
    widths = [interval.high - interval.low for interval in found]
    assert widths == sorted(widths)


def test_the_interval_follows_from_the_seed() -> None:
    difference_Q = np.random.default_rng(1).normal(size=20)
    given_seed = [interval_of(difference_Q, np.zeros(20), ["a"] * 20, 100, 0.9, seed) for seed in (0, 0, 1)]
    assert given_seed[0] == given_seed[1] != given_seed[2]


def test_swapping_the_methods_turns_the_interval_round() -> None:
    first_Q, second_Q = np.random.default_rng(2).random((2, 30))
    one = interval_of(first_Q, second_Q, ["a"] * 30, 500, 0.9, seed=0)
    other = interval_of(second_Q, first_Q, ["a"] * 30, 500, 0.9, seed=0)
    assert (other.difference, other.low, other.high) == pytest.approx((-one.difference, -one.high, -one.low))


@pytest.mark.parametrize(("method", "closed"), [(0.6, 0.0), (0.7, 0.25), (1.0, 1.0), (0.5, -0.25)])
def test_the_gap_runs_from_the_best_single_expert_to_the_oracle(method: float, closed: float) -> None:
    assert gap_closed(method, single=0.6, oracle=1.0) == pytest.approx(closed)


def test_where_there_is_no_gap_none_of_it_is_closed() -> None:
    assert gap_closed(0.6, single=0.6, oracle=0.6) is None


def test_many_differences_share_their_draws() -> None:
    difference_KQ = np.random.default_rng(3).normal(size=(3, 40))
    together = paired_bootstrap(difference_KQ, ["a"] * 40, 400, 0.9, seed=0)
    alone = [interval_of(row, np.zeros(40), ["a"] * 40, 400, 0.9, seed=0) for row in difference_KQ]
    for one, other in zip(together, alone, strict=True):
        assert [one.difference, one.low, one.high] == pytest.approx([other.difference, other.low, other.high])


# Rows: llama, vicuna, wizard (experts), zooter, reward ranking. Columns: three sources.
VALUE_KR = np.array([[0.9, 0.2, 0.5], [0.8, 0.6, 0.5], [0.1, 0.1, 0.4], [0.9, 0.5, 0.6], [1.0, 0.7, 0.3]])
EXPERT_K = np.array([True, True, True, False, False])
PER_SOURCE = [dict(zip(["maths", "code", "law"], value_R, strict=True)) for value_R in VALUE_KR.tolist()]


def test_methods_are_ranked_against_the_experts_and_ties_take_the_better_rank() -> None:
    ranks = task_ranks(VALUE_KR, EXPERT_K)
    assert ranks.tolist() == [[1, 2, 1], [2, 1, 1], [3, 3, 3], [1, 2, 1], [1, 1, 4]]
    found = standings(PER_SOURCE, EXPERT_K.tolist())
    assert [standing.mean_task_rank for standing in found] == pytest.approx([4 / 3, 4 / 3, 3, 4 / 3, 2])
    assert [standing.uplift for standing in found] == pytest.approx([2 / 3, 2 / 3, 0, 2 / 3, 2 / 3])


def test_methods_can_be_ranked_jointly() -> None:
    ranks = task_ranks(VALUE_KR, np.ones(5, dtype=bool))
    assert ranks.tolist() == [[2, 4, 2], [4, 2, 2], [5, 5, 4], [2, 3, 1], [1, 1, 5]]


def test_a_source_names_its_group_in_front_of_a_slash() -> None:
    names = ["flask/law", "gsm8k", "mt_bench/maths", "flask/arts/music"]
    assert grouped(names) == {"flask": ["flask/law", "flask/arts/music"], "": ["gsm8k"], "mt_bench": ["mt_bench/maths"]}


def test_the_average_of_a_group_may_be_one_more_row() -> None:
    assert ranked_rows(["a/x", "a/y", "b/z"], include_overall=True) == [
        ("a", ["a/x"]), ("a", ["a/y"]), ("a", ["a/x", "a/y"]), ("b", ["b/z"]), ("b", ["b/z"])
    ]  # fmt: skip
    assert ranked_rows(["x", "y"], include_overall=True)[-1] == ("", ["x", "y"]), "without groups, all are one"


# Averages of flask: llama 0.55, vicuna 0.45, zooter 0.55. MT-Bench has one subset, whose average is itself.
GROUPS = [
    {"flask/law": 0.9, "flask/arts": 0.2, "mt_bench/maths": 7.0},  # llama: 1, 2, 1 and averages 1, 1
    {"flask/law": 0.3, "flask/arts": 0.6, "mt_bench/maths": 6.5},  # vicuna: 2, 1, 2 and averages 2, 2
    {"flask/law": 0.6, "flask/arts": 0.5, "mt_bench/maths": 6.0},  # zooter: 2, 2, 3 and averages 1, 3
]


def test_a_method_has_a_rank_in_every_group() -> None:
    llama, vicuna, zooter = standings(GROUPS, [True, True, False])
    assert llama.per_group == {"flask": 1.5, "mt_bench": 1}
    assert vicuna.per_group == {"flask": 1.5, "mt_bench": 2}
    assert zooter.per_group == {"flask": 2, "mt_bench": 3}
    assert (zooter.mean_task_rank, zooter.uplift) == (pytest.approx(7 / 3), 0)


def test_group_averages_count_in_their_group_and_over_all() -> None:
    llama, _, zooter = standings(GROUPS, [True, True, False], include_overall=True)
    assert llama.per_group == {"flask": pytest.approx(4 / 3), "mt_bench": 1}
    assert (llama.mean_task_rank, llama.uplift) == (pytest.approx(6 / 5), pytest.approx(4 / 5))
    assert zooter.per_group == {"flask": pytest.approx(5 / 3), "mt_bench": 3}
    assert (zooter.mean_task_rank, zooter.uplift) == (pytest.approx(11 / 5), pytest.approx(1 / 5))
