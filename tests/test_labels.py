"""Soft labels: the equations of section 3.2, with numbers worked out by hand.

The rewards are logarithms, so that softmax gives plain fractions: softmax(ln a, ln b) = (a, b) / (a + b).
"""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.labels import (
    beta_of,
    enhance,
    has_preference,
    label_table,
    labelled,
    on_one_scale,
    sample_labels,
    soft_labels,
    teaches,
    training_partials,
    with_validation,
)
from zooter_ray.outcomes import Outcomes
from zooter_ray.schemas import LABELS
from zooter_ray.tag_means import tag_means

TAGS = ["arithmetic", "code", "geography", "history"]
tag_lists = st.lists(st.sampled_from(TAGS), unique=True, max_size=3)


@st.composite
def tagged_rewards(draw: st.DrawFn, experts: int = 3) -> tuple[np.ndarray, list[list[str]]]:
    rows = draw(st.integers(1, 8))
    rewards_QM = draw(hnp.arrays(float, (rows, experts), elements=st.integers(-50, 50).map(lambda n: n / 10)))
    return rewards_QM, draw(st.lists(tag_lists, min_size=rows, max_size=rows))


def smooth(
    rewards_QM: np.ndarray, tags: list[list[str]], learns_Q: np.ndarray, temperature: float, beta: float
) -> np.ndarray:
    """The labels (Q, M) of rows of which some are learned from."""
    rows = len(tags)
    splits = ["train" if learns else "eval" for learns in learns_Q]
    texts = ([f"q{row}" for row in range(rows)], ["query"] * rows, ["all"] * rows)
    experts = [f"expert {m}" for m in range(rewards_QM.shape[1])]
    given_rows = Outcomes(experts, *texts, tags, splits, rewards_QM, None, None)
    means = tag_means(training_partials(given_rows, LabelingConfig(temperature=temperature)))
    return enhance(sample_labels(rewards_QM, temperature), tags, means, beta)


def logs(*rows: tuple[float, ...]) -> np.ndarray:
    return np.log(np.array(rows))


# s(q) = softmax(rewards(q) / T)


def test_sample_labels_are_the_softmax_of_the_rewards() -> None:
    labels_QM = sample_labels(logs((1, 3), (2, 2), (9, 1)), temperature=1.0)
    np.testing.assert_allclose(labels_QM, [[1 / 4, 3 / 4], [1 / 2, 1 / 2], [9 / 10, 1 / 10]])


def test_the_temperature_divides_the_rewards() -> None:
    np.testing.assert_allclose(sample_labels(logs((1, 3)), temperature=0.5), [[1 / 10, 9 / 10]])
    np.testing.assert_allclose(sample_labels(logs((1, 9)), temperature=2.0), [[1 / 4, 3 / 4]])


def test_rewards_in_0_1_are_nearly_uniform_at_temperature_1_and_sharp_at_a_small_one() -> None:
    right_or_wrong_QM = np.array([[1.0, 0.0]])
    assert sample_labels(right_or_wrong_QM, 1.0)[0, 0] == pytest.approx(math.e / (math.e + 1))
    assert sample_labels(right_or_wrong_QM, 0.1)[0, 0] == pytest.approx(0.9999546)


def test_large_rewards_do_not_overflow() -> None:
    np.testing.assert_array_equal(sample_labels(np.array([[1e4, -1e4], [1e308, 1e308]]), 1.0), [[1, 0], [0.5, 0.5]])


@settings(deadline=None)  # the machine may be busy
@given(tagged_rewards(), st.floats(-100, 100), st.floats(0.05, 20))
def test_labels_do_not_change_when_a_constant_is_added_to_the_rewards(
    drawn: tuple[np.ndarray, list[list[str]]], constant: float, temperature: float
) -> None:
    rewards_QM, _ = drawn
    np.testing.assert_allclose(
        sample_labels(rewards_QM + constant, temperature), sample_labels(rewards_QM, temperature), atol=1e-9
    )


def test_a_row_carries_a_preference_where_its_rewards_differ_at_all() -> None:
    assert has_preference(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.5], [0.0, -0.0, 0.0]])).tolist() == [
        False,
        True,
        False,
    ]


# s*(q) = beta s(q) + (1 - beta) mean over the tags of q of s_t


MEANS = {"code": np.array([0.9, 0.1]), "history": np.array([0.3, 0.7])}


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        (1.0, [0.5, 0.5]),
        (0.0, [0.6, 0.4]),  # mean of (0.9, 0.1) and (0.3, 0.7)
        (0.3, [0.57, 0.43]),  # 0.3 * 0.5 + 0.7 * 0.6
    ],
)
def test_beta_weighs_the_sample_label_against_the_mean_of_the_tag_labels(beta: float, expected: list[float]) -> None:
    np.testing.assert_allclose(enhance(np.array([[0.5, 0.5]]), [["code", "history"]], MEANS, beta), [expected])


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0])
def test_a_row_without_a_tag_or_with_unknown_tags_alone_keeps_its_sample_label(beta: float) -> None:
    labels_QM = np.array([[0.2, 0.8], [0.25, 0.75]])
    np.testing.assert_array_equal(enhance(labels_QM, [[], ["cooking"]], MEANS, beta), labels_QM)


def test_an_unknown_tag_next_to_a_known_one_does_not_count() -> None:
    np.testing.assert_allclose(enhance(np.array([[0.5, 0.5]]), [["code", "cooking"]], MEANS, 0.0), [[0.9, 0.1]])


def test_enhancing_leaves_the_sample_labels_as_they_were() -> None:
    labels_QM = np.array([[0.5, 0.5]])
    enhance(labels_QM, [["code"]], MEANS, 0.0)
    np.testing.assert_array_equal(labels_QM, [[0.5, 0.5]])


# All of it


REWARDS_QM = logs(
    (1, 3),  # s = (1/4, 3/4)
    (3, 1),  # s = (3/4, 1/4)
    (9, 1),  # s = (9/10, 1/10)
    (5, 5),  # no preference: s = (1/2, 1/2)
    (1, 9),  # not learned from: s = (1/10, 9/10)
)
ROW_TAGS = [["code"], ["code", "history"], [], ["code"], ["code", "history", "cooking"]]
LEARNS_Q = np.array([True, True, True, True, False])


@pytest.mark.parametrize(
    ("beta", "expected"),
    [
        # code = mean of rows 0 and 1 = (1/2, 1/2); history = row 1 = (3/4, 1/4); cooking is in no training row.
        (0.0, [[0.5, 0.5], [0.625, 0.375], [0.9, 0.1], [0.5, 0.5], [0.625, 0.375]]),
        (0.3, [[0.425, 0.575], [0.6625, 0.3375], [0.9, 0.1], [0.5, 0.5], [0.4675, 0.5325]]),
        (1.0, [[0.25, 0.75], [0.75, 0.25], [0.9, 0.1], [0.5, 0.5], [0.1, 0.9]]),
    ],
)
def test_soft_labels_of_five_rows_by_hand(beta: float, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(smooth(REWARDS_QM, ROW_TAGS, LEARNS_Q, 1.0, beta), expected)


def test_rows_without_a_preference_stay_out_of_the_tag_means() -> None:
    rewards_QM = np.vstack([logs((1, 3)), np.zeros((50, 2))])
    labels_QM = smooth(rewards_QM, [["code"]] * 51, np.ones(51, dtype=bool), 1.0, beta=0.0)
    np.testing.assert_allclose(labels_QM, [[1 / 4, 3 / 4]] * 51)


def test_a_tag_whose_rows_carry_no_preference_does_not_count() -> None:
    rewards_QM = logs((5, 5), (1, 3))
    labels_QM = smooth(rewards_QM, [["code"], ["history"]], np.array([True, True]), 1.0, beta=0.0)
    np.testing.assert_allclose(labels_QM, [[1 / 2, 1 / 2], [1 / 4, 3 / 4]])


@settings(deadline=None)  # the machine may be busy
@given(tagged_rewards(), st.floats(0, 1), st.floats(0.1, 10), st.data())
def test_soft_labels_are_distributions(
    drawn: tuple[np.ndarray, list[list[str]]], beta: float, temperature: float, data: st.DataObject
) -> None:
    rewards_QM, tags = drawn
    learns_Q = data.draw(hnp.arrays(bool, len(tags)))
    labels_QM = smooth(rewards_QM, tags, learns_Q, temperature, beta)
    assert labels_QM.shape == rewards_QM.shape
    assert (labels_QM >= 0).all()
    np.testing.assert_allclose(labels_QM.sum(axis=1), 1.0)


@settings(deadline=None)  # the machine may be busy
@given(tagged_rewards(), st.permutations(range(3)), st.floats(0, 1))
def test_permuting_the_experts_permutes_the_labels(
    drawn: tuple[np.ndarray, list[list[str]]], order: list[int], beta: float
) -> None:
    rewards_QM, tags = drawn
    learns_Q = np.ones(len(tags), dtype=bool)
    np.testing.assert_allclose(
        smooth(rewards_QM[:, order], tags, learns_Q, 1.0, beta),
        smooth(rewards_QM, tags, learns_Q, 1.0, beta)[:, order],
    )


@settings(deadline=None)  # the machine may be busy
@given(tagged_rewards(), st.data())
def test_rewards_of_rows_that_are_not_learned_from_change_no_other_label(
    drawn: tuple[np.ndarray, list[list[str]]], data: st.DataObject
) -> None:
    rewards_QM, tags = drawn
    learns_Q = data.draw(hnp.arrays(bool, len(tags)))
    changed_QM = np.where(learns_Q[:, None], rewards_QM, rewards_QM[:, ::-1] * 3 + np.arange(3))
    before = smooth(rewards_QM, tags, learns_Q, 1.0, 0.3)
    after = smooth(changed_QM, tags, learns_Q, 1.0, 0.3)
    np.testing.assert_array_equal(before[learns_Q], after[learns_Q])


# The table of the labeling stage


def outcomes(rows: int, splits: list[str]) -> Outcomes:
    rewards_QM = np.random.default_rng(0).normal(size=(rows, 2))
    return Outcomes(
        experts=["llama", "vicuna"],
        query_ids=[f"q{row:04}" for row in range(rows)],
        queries=[f"Query {row}" for row in range(rows)],
        sources=["maths"] * rows,
        tags=[["code"] if row % 2 else [] for row in range(rows)],
        splits=splits,
        rewards_QM=rewards_QM,
        metrics_QM=None,
        costs_QM=rewards_QM + 10,
    )


def test_a_share_of_the_training_rows_becomes_validation_rows_and_no_evaluation_row_does() -> None:
    before = outcomes(2000, ["train", "eval"] * 1000)
    after = with_validation(before, LabelingConfig(validation_share=0.2))
    assert after.splits[1::2] == ["eval"] * 1000
    assert set(after.splits[::2]) == {"train", "validation"}
    assert after.splits.count("validation") == pytest.approx(200, abs=40)


def test_which_rows_validate_follows_from_seed_and_id_alone() -> None:
    config = LabelingConfig(validation_share=0.5)
    every = dict(zip(*_ids_and_splits(outcomes(100, ["train"] * 100), config), strict=True))
    some = outcomes(100, ["train"] * 100).rows(np.arange(100) % 3 == 0)
    assert all(every[query_id] == split for query_id, split in zip(*_ids_and_splits(some, config), strict=True))
    other_seed = LabelingConfig(validation_share=0.5, seed=1)
    assert _ids_and_splits(outcomes(100, ["train"] * 100), other_seed)[1] != list(every.values())


def _ids_and_splits(rows: Outcomes, config: LabelingConfig) -> tuple[list[str], list[str]]:
    return rows.query_ids, with_validation(rows, config).splits


def test_validation_and_evaluation_rows_never_enter_the_tag_means() -> None:
    given_rows = outcomes(60, ["train"] * 40 + ["eval"] * 20)
    config = LabelingConfig(validation_share=0.3, beta=0.0)
    table = label_table(given_rows, config)
    splits = np.array(table["split"].to_pylist())
    assert set(splits) == {"train", "validation", "eval"}
    tagged = np.array([bool(tags) for tags in given_rows.tags])
    mean_M = sample_labels(given_rows.rewards_QM, 1.0)[tagged & (splits == "train")].mean(axis=0)
    labels_QM = np.array(table["label"].to_pylist())
    np.testing.assert_allclose(labels_QM[tagged], np.tile(mean_M, (30, 1)))


def test_the_label_table_holds_outcomes_and_labels() -> None:
    given_rows = outcomes(10, ["train"] * 10)
    table = label_table(given_rows, LabelingConfig(beta=1.0, temperature=2.0))
    assert table.schema == LABELS
    assert table["query_id"].to_pylist() == given_rows.query_ids
    assert table["metrics"].null_count == 10
    np.testing.assert_array_equal(table["rewards"].to_pylist(), given_rows.rewards_QM)
    np.testing.assert_array_equal(table["costs"].to_pylist(), given_rows.costs_QM)
    np.testing.assert_allclose(table["label"].to_pylist(), sample_labels(given_rows.rewards_QM, 2.0))
    assert all(table["has_preference"].to_pylist())


def test_beta_falls_with_the_rows_that_teach() -> None:
    config = LabelingConfig(beta=0.8, beta_rows=8)
    assert [beta_of(config, rows) for rows in (0, 2, 8, 100)] == [0.0, 0.2, 0.8, 0.8]
    assert beta_of(LabelingConfig(beta=0.8), 2) == 0.8
    rewards_QM = logs((1, 3), (3, 1), (1, 1))  # the last teaches nothing
    given_rows = replace(outcomes(3, ["train"] * 3), rewards_QM=rewards_QM, tags=[["maths"]] * 3)
    table = label_table(given_rows, LabelingConfig(beta=0.8, beta_rows=8, validation_share=0.01))
    np.testing.assert_allclose(table["label"].to_pylist(), [[0.45, 0.55], [0.55, 0.45], [0.5, 0.5]])  # 0.2 of 0.25 ...


def test_a_source_may_smooth_labels_as_one_more_tag() -> None:
    rewards_QM = logs((1, 3), (3, 1))
    given_rows = replace(outcomes(2, ["train"] * 2), rewards_QM=rewards_QM, tags=[[], []])
    config = LabelingConfig(beta=0.5, source_as_tag=True)
    means = tag_means(training_partials(given_rows, config))
    assert {tag: mean.tolist() for tag, mean in means.items()} == {"source maths": pytest.approx([0.5, 0.5])}
    table = labelled(given_rows, soft_labels(given_rows, means, config))
    assert table["label"].to_pylist() == [pytest.approx([0.375, 0.625]), pytest.approx([0.625, 0.375])]
    assert table["tags"].to_pylist() == [[], []]


def test_labels_of_smoothed_rewards_may_have_an_estimated_prior() -> None:
    rewards_QM = np.array([[5.1, -5.1], [4.9, -4.9], [-4.9, 4.9], [-5.1, 5.1]])
    given_rows = replace(outcomes(4, ["train"] * 4), rewards_QM=rewards_QM, tags=[["a"], ["a"], ["b"], ["b"]])
    config = LabelingConfig(smooth="rewards", prior_rows="auto")
    means = tag_means(training_partials(given_rows, config), config.prior_rows)
    drawn = 5 * 2 / (2 + 0.02 / 49.99)  # to 0, as 0.02 / 49.99 rows of it would
    assert means["a"].tolist() == pytest.approx([drawn, -drawn])


def test_smoothed_rewards_go_through_the_softmax_last() -> None:
    given_rows = replace(
        outcomes(2, ["train"] * 2), rewards_QM=np.array([[1.0, 0.0], [0.0, 0.5]]), tags=[["code"], ["code"]]
    )
    config = LabelingConfig(smooth="rewards", beta=0.5, temperature=0.25)
    means = tag_means(training_partials(given_rows, config))
    assert means["code"].tolist() == [0.5, 0.25]
    first, second = soft_labels(given_rows, means, config).tolist()
    assert first == pytest.approx([math.e**2.5 / (math.e**2.5 + 1), 1 / (math.e**2.5 + 1)])  # (0.75 - 0.125) / 0.25
    assert second == pytest.approx([1 / (1 + math.e**0.5), math.e**0.5 / (1 + math.e**0.5)])  # (0.25 - 0.375) / 0.25


def test_standardised_rewards_are_as_far_apart_in_each_source() -> None:
    given_rows = replace(
        outcomes(5, ["train", "train", "train", "train", "validation"]),
        rewards_QM=np.array([[0.0, 1.0], [1.0, 0.0], [50.0, 70.0], [3.0, 3.0], [0.0, 20.0]]),
        sources=["right or wrong", "right or wrong", "points", "points", "unseen"],
    )
    # Apart by 0.5 (both rows) and by 10 (equal rows teach nothing); over all three rows sqrt((0.25 + 0.25 + 100) / 3).
    expected_QM = np.array([[0, 2], [2, 0], [5, 7], [0.3, 0.3], [0, 20 / math.sqrt(100.5 / 3)]])
    np.testing.assert_allclose(on_one_scale(given_rows, teaches(given_rows)), expected_QM)


def test_differences_whose_squares_are_nothing_are_still_a_preference() -> None:
    given_rows = replace(outcomes(2, ["train"] * 2), rewards_QM=np.array([[0.0, 1e-300], [1e-300, 0.0]]))
    config = LabelingConfig(standardise=True, beta=1.0, validation_share=0.01)
    np.testing.assert_allclose(label_table(given_rows, config)["label"].to_pylist(), [[0, 1], [1, 0]])


def test_the_unit_of_rewards_does_not_change_labels_that_are_standardised() -> None:
    given_rows = replace(
        outcomes(4, ["train"] * 4), rewards_QM=np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.0], [1.0, 1.0]])
    )
    in_points = replace(given_rows, rewards_QM=100 * given_rows.rewards_QM - 20)
    config = LabelingConfig(standardise=True, smooth="rewards", validation_share=0.01)
    one, other = (label_table(rows, config)["label"].to_pylist() for rows in (given_rows, in_points))
    np.testing.assert_allclose(one, other)
    changed = label_table(in_points, LabelingConfig(smooth="rewards", validation_share=0.01))["label"].to_pylist()
    assert not np.allclose(one, changed)


def test_nothing_to_learn_from_is_standardised_by_nothing() -> None:
    given_rows = replace(outcomes(1, ["train"]), rewards_QM=np.array([[3.0, 3.0]]))
    assert on_one_scale(given_rows, teaches(given_rows)).tolist() == [[3.0, 3.0]]
