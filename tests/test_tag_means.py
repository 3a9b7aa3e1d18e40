"""Means over a tag's rows, and the prior that is mixed in, against figures worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from zooter_ray.tag_means import EVERY, TagPartial, combine_partials, estimated_prior_rows, tag_means, tag_partials

tag_lists = st.lists(st.sampled_from(["arithmetic", "code", "history"]), unique=True, max_size=3)
workers = st.lists(st.integers(0, 3), min_size=6, max_size=6)


def test_tag_means_are_means_of_the_sample_labels() -> None:
    labels_QM = np.array([[0.2, 0.8], [0.6, 0.4], [1.0, 0.0]])
    means = tag_means(tag_partials(labels_QM, [["code"], ["code", "history"], []]))
    assert sorted(means) == ["code", "history"]
    np.testing.assert_allclose(means["code"], [0.4, 0.6])
    np.testing.assert_allclose(means["history"], [0.6, 0.4])


@settings(deadline=None)  # the machine may be busy
@given(hnp.arrays(float, (6, 3), elements=st.floats(0, 1)), st.lists(tag_lists, min_size=6, max_size=6), workers)
def test_partials_of_any_split_combine_to_those_of_one_pass(
    labels_QM: np.ndarray, tags: list[list[str]], worker: list[int]
) -> None:
    split = [np.flatnonzero(np.array(worker) == number) for number in range(4)]
    combined = combine_partials(tag_partials(labels_QM[rows], [tags[row] for row in rows]) for rows in split)
    at_once = tag_partials(labels_QM, tags)
    assert combined.keys() == at_once.keys()
    for tag, partial in at_once.items():
        assert combined[tag].count == partial.count
        np.testing.assert_allclose(combined[tag].total_M, partial.total_M)
        np.testing.assert_allclose(combined[tag].squares_M, partial.squares_M)


def test_combining_does_not_change_what_is_combined() -> None:
    parts = [tag_partials(np.array([[0.5, 0.5]]), [["code"]]), tag_partials(np.array([[1.0, 0.0]]), [["code"]])]
    combine_partials(parts)
    np.testing.assert_array_equal(parts[0]["code"].total_M, [0.5, 0.5])
    assert parts[0]["code"].count == 1


def test_the_means_of_rare_tags_are_drawn_to_the_mean_of_all_rows() -> None:
    rewards_QM = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    tags = [["rare", EVERY], ["common", EVERY], ["common", EVERY], ["common", EVERY]]
    means = tag_means(tag_partials(rewards_QM, tags), prior_rows=2)
    assert means["rare"].tolist() == pytest.approx([(1 + 2 * 0.25) / 3, (0 + 2 * 0.75) / 3])
    assert means["common"].tolist() == pytest.approx([(0 + 2 * 0.25) / 5, (3 + 2 * 0.75) / 5])


def test_what_is_drawn_is_how_experts_stand_to_each_other_not_how_hard_a_tag_is() -> None:
    rewards_QM = np.array([[0.1, 0.0], [9.0, 9.5]])
    means = tag_means(tag_partials(rewards_QM, [["hard", EVERY], ["easy", EVERY]]), prior_rows=1)
    # Beyond the mean: 0.05 and -0.05, -0.25 and 0.25, over all rows -0.1 and 0.1.
    assert means["hard"].tolist() == pytest.approx([0.05 - 0.025, 0.05 + 0.025])
    assert means["easy"].tolist() == pytest.approx([9.25 - 0.175, 9.25 + 0.175])


# The prior that is estimated, on rewards of two experts that are as far above zero as below


def partials_of(code: list[float], maths: list[float]) -> dict[str, TagPartial]:
    """Two tags; what the first expert has beyond the mean, by row."""
    beyond = np.array([*code, *maths])
    tags = [[tag, EVERY] for tag in ["code"] * len(code) + ["maths"] * len(maths)]
    return tag_partials(np.stack([beyond, -beyond], axis=1), tags)


def test_the_prior_is_the_variance_within_tags_over_that_between_tags() -> None:
    # Within: (100.04 - 2 x 25 - 2 x 25) / 2 = 0.02. Between: (2 x 25 + 2 x 25) / 1 = 100, where chance makes 0.02, and
    # 998.5 times as much once in a thousand times (F, 1 and 2 degrees); what is beyond it, over 4 - 8 / 4 rows per tag.
    rows_M = estimated_prior_rows(partials_of([5.1, 4.9], [-4.9, -5.1]))
    np.testing.assert_allclose(rows_M, 0.02 / ((100 - 0.02) / 2))


def test_a_difference_that_chance_explains_counts_for_nothing() -> None:
    partials = partials_of([3, 1], [-1, -2.5])  # between is 9 times within, and so few rows make 998.5 of chance
    assert estimated_prior_rows(partials).tolist() == [np.inf, np.inf]
    means = tag_means(partials, "auto")
    assert means["code"].tolist() == pytest.approx(means["maths"].tolist()) == [0.125, -0.125]


def test_experts_differ_in_how_much_they_differ() -> None:
    beyond_QM = np.array([[9, 0.2, -9.2], [9, -0.2, -8.8], [-9, -0.2, 9.2], [-9, 0.2, 8.8]])
    tags = [[tag, EVERY] for tag in ("code", "code", "maths", "maths")]
    first, second, third = estimated_prior_rows(tag_partials(beyond_QM, tags))
    assert first == 0.0
    assert second == np.inf
    assert 0.0 < third < 0.01


def test_an_expert_that_earns_the_same_on_every_row_gives_no_nan() -> None:
    for values, rows in (([1.0, 0.0, 0.0], 38), ([0.1, 0.7, 0.3], 10)):
        tags = [["code", EVERY]] * rows + [["maths", EVERY]] * rows
        means = tag_means(tag_partials(np.array([values] * (2 * rows)), tags), "auto")
        np.testing.assert_allclose([means["code"], means["maths"]], [values, values])


def test_one_tag_alone_is_its_own_prior() -> None:
    partials = tag_partials(np.array([[1.0, 0.0], [0.5, 0.0]]), [["code", EVERY]] * 2)
    assert tag_means(partials, "auto")["code"].tolist() == [0.75, 0.0]
