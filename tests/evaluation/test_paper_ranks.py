"""MTR and uplift as the paper's Table 1 prints them.

The paper prints no figure of a single subset, so no MTR can be derived from its values as a whole. What its tables do
hold is tested: the averages of the four groups and hence their ranks, and, since a rank is a whole number, over how
many rows each MTR is a mean.

Derived: the experts' MTRs of a group are over its subsets, the ensembles' over its subsets and its average; the
experts' MTRs of all benchmarks are over 30 rows, the 26 subsets and the four averages, and follow from the rest of
their lines. Not derivable: the ensembles' MTRs of all benchmarks and the uplifts. They are means over 36 rows, six more
than the paper names; Table 2's are over 35. The experts' uplifts add up to less than one, so they are not counted among
the experts alone.
"""

import math

import numpy as np
import pytest

from zooter_ray.evaluation.metrics import standings, task_ranks

SUBSETS = {"AlpacaEval": 5, "FLASK": 10, "MT-Bench": 8, "Benchmarks": 3}
# Average and MTR of each group, then MTR and uplift over all, as printed in Table 1.
EXPERTS: dict[str, tuple[list[str], list[str], str, str]] = {
    "WizardCoder": (["0.42", "3.12", "4.44", "30.9"], ["5.6", "5.2", "5.38", "4.33"], "5.3", "0.06"),
    "WizardLM": (["0.89", "3.89", "7.15", "44.2"], ["2.0", "1.8", "2.0", "2.0"], "1.83", "0.25"),
    "WizardMath": (["0.47", "3.28", "5.73", "34.8"], ["5.0", "5.0", "4.38", "4.0"], "4.6", "0.03"),
    "Llama-2-Chat": (["0.91", "3.88", "6.72", "32.3"], ["1.6", "1.5", "2.88", "3.67"], "2.23", "0.31"),
    "OpenChat": (["0.89", "3.79", "7.12", "31.2"], ["2.2", "3.1", "2.0", "3.33"], "2.67", "0.19"),
    "Vicuna": (["0.80", "3.70", "6.58", "33.6"], ["3.8", "3.5", "3.25", "2.67"], "3.4", "0.06"),
}
ENSEMBLES: dict[str, tuple[list[str], list[str], str, str]] = {
    "ZOOTER": (["0.93", "3.89", "7.11", "34.2"], ["1.17", "1.82", "2.33", "3.0"], "1.94", "0.44"),
    "OAssistRM": (["0.79", "3.75", "6.59", "35.1"], ["4.0", "3.73", "3.22", "3.25"], "3.42", "0.19"),
    "LLM-Blender": (["0.83", "3.77", "6.21", "36.4"], ["3.67", "3.36", "4.0", "2.75"], "3.39", "0.17"),
    "Auto-J": (["0.89", "3.92", "7.03", "32.2"], ["2.67", "1.64", "2.22", "3.5"], "2.25", "0.42"),
    "UltraRM": (["0.92", "4.06", "7.18", "40.1"], ["1.17", "1.0", "1.89", "3.25"], "1.53", "0.72"),
    "QwenRM": (["0.92", "4.04", "7.26", "38.6"], ["1.33", "1.0", "2.11", "3.0"], "1.58", "0.67"),
    "Oracle": (["0.98", "4.56", "8.25", "75.3"], ["1.0", "1.0", "1.0", "1.0"], "1.0", "1.0"),
    "GPT-3.5-turbo": (["0.89", "4.06", "7.94", "73.0"], ["2.67", "1.91", "1.78", "1.0"], "1.78", "0.61"),
    "GPT-4": (["0.94", "4.37", "8.99", "88.3"], ["1.0", "1.0", "1.0", "1.0"], "1.0", "1.0"),
}
# MTR of each group, and of all, as printed in Table 2: hard labels, then beta 0, 0.1, 0.3, 0.5, 0.7, 0.9 and 1.
TABLE_2 = [
    (["1.4", "2.3", "3.12", "4.00"], "2.31"),
    (["1.4", "2.2", "2.25", "3.67"], "2.06"),
    (["1.2", "2.1", "2.38", "3.67"], "2.00"),
    (["1.2", "1.9", "2.50", "3.67"], "1.97"),
    (["1.2", "2.2", "3.12", "3.67"], "2.23"),
    (["1.2", "2.2", "3.38", "4.00"], "2.31"),
    (["1.2", "2.3", "3.12", "4.00"], "2.31"),
    (["1.2", "2.3", "3.25", "4.00"], "2.34"),
]


def is_mean_of(printed: str, rows: int) -> bool:
    """Whether a printed mean is one of so many whole numbers, within its second digit, trailing zeros dropped."""
    return math.isclose(round(float(printed) * rows) / rows, float(printed), abs_tol=0.005 + 1e-9)


def rank_sum(printed: str, rows: int) -> int:
    """The sum of the ranks of which a printed MTR is the mean."""
    return round(float(printed) * rows)


def average_ranks(averages: list[str]) -> list[int]:
    """Ranks of a method's group averages among the experts'."""
    value_KR = np.array([averages, *(of for of, _, _, _ in EXPERTS.values())], dtype=float)
    ranks: list[int] = task_ranks(value_KR, np.array([False] + [True] * len(EXPERTS)))[0].tolist()
    return ranks


def counts_that_fit(printed: list[str]) -> list[int]:
    """Numbers of rows, from the 26 subsets to half as many more, over which all these can be means."""
    return [rows for rows in range(26, 40) if all(is_mean_of(value, rows) for value in printed)]


@pytest.mark.parametrize(("group", "subsets"), list(enumerate(SUBSETS.values())), ids=SUBSETS)
def test_experts_are_ranked_on_the_subsets_and_ensembles_on_their_average_as_well(group: int, subsets: int) -> None:
    of_experts = [ranks[group] for _, ranks, _, _ in EXPERTS.values()]
    of_ensembles = [ranks[group] for _, ranks, _, _ in ENSEMBLES.values()]
    assert all(is_mean_of(rank, subsets) for rank in of_experts)
    assert not all(is_mean_of(rank, subsets + 1) for rank in of_experts)
    assert all(is_mean_of(rank, subsets + 1) for rank in of_ensembles)
    assert not all(is_mean_of(rank, subsets) for rank in of_ensembles)
    assert all(is_mean_of(ranks[group], subsets) for ranks, _ in TABLE_2)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_an_ensembles_group_leaves_possible_ranks_on_the_subsets_beside_that_of_its_average(name: str) -> None:
    averages, ranks, _, _ = ENSEMBLES[name]
    for subsets, rank, of_average in zip(SUBSETS.values(), ranks, average_ranks(averages), strict=True):
        on_subsets = rank_sum(rank, subsets + 1) - of_average
        assert subsets <= on_subsets <= (len(EXPERTS) + 1) * subsets, "one against six has ranks from 1 to 7"


@pytest.mark.parametrize(
    ("name", "of_averages", "total"),
    [
        # By hand: ranks over the subsets, 5 a + 10 f + 8 m + 3 b, and those of the four averages.
        ("WizardLM", [2, 1, 1, 1], 10 + 18 + 16 + 6 + 5),
        ("Llama-2-Chat", [1, 2, 3, 4], 8 + 15 + 23 + 11 + 10),
        ("OpenChat", [2, 3, 2, 5], 11 + 31 + 16 + 10 + 12),
        ("Vicuna", [4, 4, 4, 3], 19 + 35 + 26 + 8 + 15),
        ("WizardMath", [5, 5, 5, 2], 25 + 50 + 35 + 12 + 17),
        ("WizardCoder", [6, 6, 6, 6], 28 + 52 + 43 + 13 + 24),
    ],
)
def test_an_experts_mtr_over_all_follows_from_its_line(name: str, of_averages: list[int], total: int) -> None:
    averages, ranks, over_all, _ = EXPERTS[name]
    assert average_ranks(averages) == of_averages
    on_subsets = sum(rank_sum(rank, subsets) for rank, subsets in zip(ranks, SUBSETS.values(), strict=True))
    assert on_subsets + sum(of_averages) == total
    digits = len(over_all.partition(".")[2])  # three experts' are printed with one digit
    assert f"{total / 30:.{digits}f}" == over_all


def test_only_competition_ranking_gives_the_printed_ranks_of_equal_averages() -> None:
    # WizardLM and OpenChat share 0.89 on AlpacaEval. If one of them were third, its MTR would be 1.87 or 2.70.
    assert average_ranks(EXPERTS["WizardLM"][0])[0] == average_ranks(EXPERTS["OpenChat"][0])[0] == 2
    assert (f"{(55 + 1) / 30:.2f}", f"{(80 + 1) / 30:.2f}") == ("1.87", "2.70")


def test_the_best_model_on_average_is_ranked_as_the_expert_that_it_is() -> None:
    per_source = [dict(zip(SUBSETS, map(float, averages), strict=True)) for averages, _, _, _ in EXPERTS.values()]
    llama = list(EXPERTS).index("Llama-2-Chat")
    found = standings([*per_source, per_source[llama]], [True] * len(EXPERTS) + [False])
    assert found[-1] == found[llama]


def test_how_many_rows_the_other_figures_are_means_over() -> None:
    assert counts_that_fit([over_all for _, _, over_all, _ in EXPERTS.values()]) == [30]
    of_ensembles = [(over_all, uplift) for _, _, over_all, uplift in ENSEMBLES.values()]
    assert counts_that_fit([over_all for over_all, _ in of_ensembles]) == [36]
    assert counts_that_fit([uplift for _, uplift in of_ensembles]) == [36]
    assert counts_that_fit([over_all for _, over_all in TABLE_2]) == [35]
    assert sum(float(uplift) for _, _, _, uplift in EXPERTS.values()) < 1
