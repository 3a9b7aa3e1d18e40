"""Agreement of reward models and entropy per tag, worked out by hand."""

import numpy as np
import pytest

from zooter_ray.evaluation.agreement import add_sums, chance_of_same_best, rank_correlation, supervision_sums
from zooter_ray.evaluation.entropy import reward_entropy

NAN = float("nan")
REWARDS = {
    # Ranks: the same; opposite; one tie of both's; a row without a preference; one that lacks a reward.
    "a": np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]),
    "b": np.array([[9.0, 8.0, 1.0], [0.0, 5.0, 9.0], [2.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, NAN, 0.0]]),
}
TAGS = [["sums"], ["sums", "names"], [], ["names"], []]


def test_kendalls_tau_b_by_hand() -> None:
    found = rank_correlation(REWARDS["a"][:3], REWARDS["b"][:3])
    # Third row: a leaves pair (0, 1) tied, so 2 of its pairs count and 3 of b's: 2 / sqrt(2 x 3).
    assert found.tolist() == pytest.approx([1.0, -1.0, 2 / 6**0.5])


def test_the_chance_that_two_sets_of_best_experts_meet() -> None:
    # One best each out of three: 1/3. Two and one out of three: 2/3. All three: certain.
    first_QM = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    second_QM = np.array([[0.0, 1.0, 0.0]] * 3)
    assert chance_of_same_best(first_QM, second_QM).tolist() == pytest.approx([1 / 3, 2 / 3, 1.0])


def test_rows_on_which_one_has_no_preference_or_no_reward_are_left_out() -> None:
    told = add_sums([supervision_sums(REWARDS, REWARDS["a"], TAGS, 1.0)])
    (pair,) = told.agreement
    assert (pair.first, pair.second, pair.queries) == ("a", "b", 3)
    assert pair.same_best == pytest.approx(2 / 3)  # the first and the third row
    assert pair.by_chance == pytest.approx((1 / 3 + 1 / 3 + 2 / 3) / 3)
    assert pair.rank_correlation == pytest.approx(2 / 6**0.5 / 3)


def test_entropy_is_the_mean_over_the_rows_and_over_those_of_a_tag() -> None:
    told = add_sums([supervision_sums(REWARDS, REWARDS["a"], TAGS, 1.0)])
    entropy_Q = reward_entropy(REWARDS["a"], 1.0)
    assert (told.rows, told.undecided) == (5, 1)
    assert told.entropy == pytest.approx(entropy_Q.mean())
    assert [(tag.tag, tag.rows) for tag in told.tags] == [("names", 2), ("sums", 2)]
    assert [tag.entropy for tag in told.tags] == pytest.approx([entropy_Q[[1, 3]].mean(), entropy_Q[[0, 1]].mean()])


def test_figures_of_parts_add_up_to_those_of_all_rows() -> None:
    whole = add_sums([supervision_sums(REWARDS, REWARDS["a"], TAGS, 1.0)])
    parts = [
        supervision_sums({name: rows[part] for name, rows in REWARDS.items()}, REWARDS["a"][part], TAGS[part], 1.0)
        for part in (slice(0, 1), slice(1, 1), slice(1, 5))
    ]
    found = add_sums(parts)
    assert found.agreement[0].model_dump() == pytest.approx(whole.agreement[0].model_dump())
    assert (found.rows, found.undecided, found.entropy) == (5, 1, pytest.approx(whole.entropy))


def test_no_rows_have_no_figures() -> None:
    told = add_sums([])
    assert (told.rows, told.entropy, told.tags, told.agreement) == (0, None, [], [])
