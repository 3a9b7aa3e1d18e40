"""MTR and uplift as the paper's Table 1 prints them.

The paper prints no figure of a single subset. But a rank is a whole number, so each MTR of a group is a known sum of
ranks, and the averages of the groups are printed: the figures below are made up, one digit for each subset, such that
they have these sums and their averages stand in the printed order. From them must come the printed MTRs: the experts'
of a group over its subsets, the ensembles' over its subsets and its average, and the experts' of all benchmarks over 30
rows, the 26 subsets and the four averages.

Not derivable: the ensembles' MTRs of all benchmarks and the uplifts, which are means over 36 rows, six more than the
paper names (Table 2's: over 35); and Auto-J's line, for whose last group no such digits were found.
"""

import numpy as np
import pytest

from zooter_ray.evaluation.metrics import Standing, standings, task_ranks

SUBSETS = {"AlpacaEval": 5, "FLASK": 10, "MT-Bench": 8, "Benchmarks": 3}
# Average and MTR of each group as printed in Table 1, and what is earned on each subset, made up.
EXPERTS = {
    "WizardCoder": ("0.42 3.12 4.44 30.9", "5.6 5.2 5.38 4.33", "30012 3251503512 10502130 092"),
    "WizardLM": ("0.89 3.89 7.15 44.2", "2.0 1.8 2.0 2.0", "94796 8399897639 84639955 685"),
    "WizardMath": ("0.47 3.28 5.73 34.8", "5.0 5.0 4.38 4.0", "02273 0172632205 03015341 843"),
    "Llama-2-Chat": ("0.91 3.88 6.72 32.3", "1.6 1.5 2.88 3.67", "58988 7693958847 35675263 364"),
    "OpenChat": ("0.89 3.79 7.12 31.2", "2.2 3.1 2.0 3.33", "77984 5683616427 57955384 255"),
    "Vicuna": ("0.80 3.70 6.58 33.6", "3.8 3.5 3.25 2.67", "34355 4380155775 81401975 905"),
}
ENSEMBLES = {
    "ZOOTER": ("0.93 3.89 7.11 34.2", "1.17 1.82 2.33 3.0", "97998 7989948876 17927485 275"),
    "OAssistRM": ("0.79 3.75 6.59 35.1", "4.0 3.73 3.22 3.25", "34093 8154298135 25975035 971"),
    "LLM-Blender": ("0.83 3.77 6.21 36.4", "3.67 3.36 4.0 2.75", "03298 8195910545 87163520 089"),
    "UltraRM": ("0.92 4.06 7.18 40.1", "1.17 1.0 1.89 3.25", "97998 8699998879 87776905 971"),
    "QwenRM": ("0.92 4.04 7.26 38.6", "1.33 1.0 2.11 3.0", "98899 8699998879 87479782 179"),
    "Oracle": ("0.98 4.56 8.25 75.3", "1.0 1.0 1.0 1.0", "98998 8699998879 87979995 997"),
    "GPT-3.5-turbo": ("0.89 4.06 7.94 73.0", "2.67 1.91 1.78 1.0", "96569 8999723879 87979780 997"),
    "GPT-4": ("0.94 4.37 8.99 88.3", "1.0 1.0 1.0 1.0", "98998 8699998879 87979995 997"),
}
LINES = EXPERTS | ENSEMBLES
# MTR over all as printed, and by hand: ranks over the subsets, 5 a + 10 f + 8 m + 3 b, and those of the four averages.
OVER_ALL = {
    "WizardLM": ("1.83", 10 + 18 + 16 + 6 + (2 + 1 + 1 + 1)),
    "Llama-2-Chat": ("2.23", 8 + 15 + 23 + 11 + (1 + 2 + 3 + 4)),
    "OpenChat": ("2.67", 11 + 31 + 16 + 10 + (2 + 3 + 2 + 5)),
    "Vicuna": ("3.4", 19 + 35 + 26 + 8 + (4 + 4 + 4 + 3)),
    "WizardMath": ("4.6", 25 + 50 + 35 + 12 + (5 + 5 + 5 + 2)),
    "WizardCoder": ("5.3", 28 + 52 + 43 + 13 + (6 + 6 + 6 + 6)),
}


def standing(method: str, include_overall: bool) -> Standing:
    """Where a method stands against the experts."""
    sources = [f"{group}/{number}" for group, count in SUBSETS.items() for number in range(count)]
    digits = ["".join(LINES[name][2].split()) for name in [*EXPERTS, method]]
    earned = [dict(zip(sources, map(float, of), strict=True)) for of in digits]
    return standings(earned, [True] * len(EXPERTS) + [False], include_overall)[-1]


def per_group(found: Standing, printed: str) -> str:
    """MTRs of the groups, with as many digits as the paper prints, which drops zeros."""
    return " ".join(as_printed(found.per_group[g], like) for g, like in zip(SUBSETS, printed.split(), strict=True))


def as_printed(mean: float, like: str) -> str:
    return f"{mean:.{len(like.partition('.')[2])}f}"


def ranks_of_averages(method: str, part: int) -> list[int]:
    """Ranks of a method's group averages among the experts', as printed (part 0) or of the digits (part 2)."""
    lines = [LINES[name][part].split() for name in [method, *EXPERTS]]
    value_KR = np.array([[np.mean([*map(float, of)]) if part else float(of) for of in line] for line in lines])
    ranks: list[int] = task_ranks(value_KR, np.array([False] + [True] * len(EXPERTS)))[0].tolist()
    return ranks


@pytest.mark.parametrize("name", LINES)
def test_what_is_made_up_has_averages_in_the_printed_order(name: str) -> None:
    assert ranks_of_averages(name, part=2) == ranks_of_averages(name, part=0)


@pytest.mark.parametrize("name", EXPERTS)
def test_an_experts_mtr_of_a_group_is_over_its_subsets(name: str) -> None:
    assert per_group(standing(name, include_overall=False), EXPERTS[name][1]) == EXPERTS[name][1]


@pytest.mark.parametrize("name", ENSEMBLES)
def test_an_ensembles_mtr_of_a_group_is_over_its_subsets_and_its_average(name: str) -> None:
    assert per_group(standing(name, include_overall=True), ENSEMBLES[name][1]) == ENSEMBLES[name][1]


@pytest.mark.parametrize("name", EXPERTS)
def test_an_experts_mtr_over_all_is_over_the_subsets_and_the_averages(name: str) -> None:
    printed, total = OVER_ALL[name]
    found = standing(name, include_overall=True).mean_task_rank
    assert found == pytest.approx(total / 30)
    assert as_printed(found, printed) == printed


def test_only_competition_ranking_gives_the_printed_ranks_of_equal_averages() -> None:
    # WizardLM and OpenChat share 0.89 on AlpacaEval. If one of them were third, its MTR would be 1.87 or 2.70.
    assert ranks_of_averages("WizardLM", part=0)[0] == ranks_of_averages("OpenChat", part=0)[0] == 2
    assert (f"{(55 + 1) / 30:.2f}", f"{(80 + 1) / 30:.2f}") == ("1.87", "2.70")


def test_uplift_is_the_share_of_rows_on_which_no_expert_is_better() -> None:
    # ZOOTER's digits are the largest on 4 of 5, 6 of 10, 4 of 8 and 1 of 3 subsets; its averages are on the first two.
    assert standing("ZOOTER", include_overall=False).uplift == pytest.approx((4 + 6 + 4 + 1) / 26)
    assert standing("ZOOTER", include_overall=True).uplift == pytest.approx((15 + 2) / 30)


def test_the_best_model_on_average_is_ranked_as_the_expert_that_it_is() -> None:
    found = standing("Llama-2-Chat", include_overall=False)
    assert found.mean_task_rank == pytest.approx((8 + 15 + 23 + 11) / 26)
