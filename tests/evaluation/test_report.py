"""The report of an evaluation, by hand on four rows and two experts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.evaluation.learned import Learned
from zooter_ray.evaluation.report import Evidence, build_report, pareto_front, rows_fingerprint
from zooter_ray.evaluation.schema import GroupResult, MethodResult, Report, RouterSettings
from zooter_ray.outcomes import Outcomes

CONFIG = EvaluationConfig(draws=500)
ROUTER = RouterSettings(loss="kl", beta=0.3, used_beta=0.3, temperature=1.0, parameters=86_000_000)
SHOWN = {"llama": "llama", "vicuna": "vicuna (same weights as llama)"}
LEARNED = Learned({"llama": 0.4, "vicuna": 0.6}, {"maths": {"llama": 0.9, "vicuna": 0.1}}, {}, {})


def many(metrics: list[float]) -> Outcomes:
    """Ten rows of each source, all with these metrics."""
    return outcomes(
        query_ids=list("abcdefghijklmnopqrst"), queries=["?"] * 20, sources=["maths", "code"] * 10, tags=[[]] * 20,
        splits=["eval"] * 20, rewards_QM=np.array([[9.0, 8.0]] * 20), metrics_QM=np.array([metrics] * 20),
        costs_QM=np.array([[10.0, 20.0]] * 20),
    )  # fmt: skip


def outcomes(**changed: Any) -> Outcomes:
    """Three rows of maths and one of code."""
    content: dict[str, Any] = {
        "experts": ["llama", "vicuna"],
        "query_ids": ["a", "b", "c", "d"],
        "queries": ["?"] * 4,
        "sources": ["maths", "maths", "maths", "code"],
        "tags": [[]] * 4,
        "splits": ["eval"] * 4,
        "rewards_QM": np.array([[9.0, 8.0]] * 4),
        "metrics_QM": np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]),
        "costs_QM": np.array([[10.0, 20.0], [10.0, 20.0], [10.0, 20.0], [10.0, 40.0]]),
    }
    return Outcomes(**{**content, **changed})


# The router chooses llama, vicuna, vicuna, vicuna and so earns 1, 0, 1, 1.
PROBABILITIES_QM = np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]])


def evidence(rows: Outcomes, probabilities_QM: np.ndarray = PROBABILITIES_QM, **changed: Any) -> Evidence:
    return replace(Evidence(rows, probabilities_QM, LEARNED, SHOWN, ROUTER), **changed)


def report_of(rows: Outcomes, probabilities_QM: np.ndarray = PROBABILITIES_QM, **changed: Any) -> Report:
    return build_report(evidence(rows, probabilities_QM, **changed), CONFIG)


@pytest.fixture(scope="module")
def report() -> Report:
    return report_of(outcomes())


def method(report: Report, name: str) -> MethodResult:
    (found,) = (entry for entry in report.methods if entry.method == name)
    return found


# Numbers


def test_the_report_says_what_was_evaluated(report: Report) -> None:
    assert report.schema_version == 7
    assert report.rows == 4
    assert report.sources == {"code": 1, "maths": 3}
    assert report.value == "metric"
    assert report.best_single == "vicuna"
    assert report.confidence == 0.95


@pytest.mark.parametrize(
    ("name", "maths", "code", "mean", "cost", "relative_cost"),
    [
        # Costs are means over the sources, as values are: zooter pays (10 + 20 + 20) / 3 for maths and 40 for code.
        ("random", 1 / 2, 1 / 2, 1 / 2, 20, 2 / 3),
        ("llama", 2 / 3, 0, 1 / 3, 10, 1 / 3),
        ("vicuna", 1 / 3, 1, 2 / 3, 30, 1),
        ("best single", 1 / 3, 1, 2 / 3, 30, 1),
        ("best per source", 2 / 3, 1, 5 / 6, 25, 5 / 6),
        ("zooter", 2 / 3, 1, 5 / 6, (50 / 3 + 40) / 2, (50 / 3 + 40) / 60),
        ("oracle", 1, 1, 1, (40 / 3 + 40) / 2, (40 / 3 + 40) / 60),
    ],
)
def test_each_method_has_its_means_and_costs(
    report: Report, name: str, maths: float, code: float, mean: float, cost: float, relative_cost: float
) -> None:
    found = method(report, name)
    assert found.per_source == pytest.approx({"maths": maths, "code": code})
    assert found.mean == pytest.approx(mean)
    assert found.cost == pytest.approx(cost)
    assert found.relative_cost == pytest.approx(relative_cost)


def test_methods_are_shown_by_the_names_of_the_pool(report: Report) -> None:
    assert [(entry.shown, entry.kind) for entry in report.methods] == [
        ("random", "random"),
        ("llama", "expert"),
        ("vicuna (same weights as llama)", "expert"),
        ("best single", "baseline"),
        ("best per source", "baseline"),
        ("zooter", "router"),
        ("oracle", "oracle"),
    ]


def test_the_router_closes_half_of_the_gap_and_chooses_vicuna_three_times(report: Report) -> None:
    assert report.gap_closed == pytest.approx((5 / 6 - 2 / 3) / (1 - 2 / 3)) == pytest.approx(1 / 2)
    assert report.router_share == {"llama": 0.25, "vicuna": 0.75}
    assert report.router_share_per_source["maths"] == pytest.approx({"llama": 1 / 3, "vicuna": 2 / 3})
    assert report.oracle_share == {"llama": 0.5, "vicuna": 0.5}


def test_differences_to_random_and_to_the_best_single_expert_have_intervals(report: Report) -> None:
    against_random, against_best = (method(report, name).zooter_ahead for name in ("random", "best single"))
    assert against_random is not None
    assert against_best is not None
    assert against_random.difference == pytest.approx(1 / 3)
    assert against_best.difference == pytest.approx(1 / 6)
    # Per row zooter is ahead of the best single expert by 1, 0, 0 (maths) and 0 (code). Of three rows drawn all are the
    # first once in 27 times, and none 8 times: 1 and 0, spread from 1/3 by the root of 3/2.
    spread = [(1 / 3 + (drawn - 1 / 3) * (3 / 2) ** 0.5) / 2 for drawn in (0, 1)]
    assert [against_best.low, against_best.high] == pytest.approx(spread)
    assert method(report, "zooter").zooter_ahead is None


def test_ranks_are_against_the_single_experts(report: Report) -> None:
    # code: llama 0, vicuna 1; maths: llama 2/3, vicuna 1/3. zooter has 1 and 2/3.
    assert method(report, "llama").mean_task_rank == 1.5
    assert method(report, "random").mean_task_rank == 2
    assert (method(report, "zooter").mean_task_rank, method(report, "zooter").uplift) == (1, 1)


def test_the_report_survives_json(report: Report) -> None:
    assert Report.model_validate_json(report.model_dump_json()) == report


def test_reward_ranking_pays_for_every_expert() -> None:
    rewards_QM = np.array([[1.0, 0.0]] * 4)
    found = method(report_of(outcomes(), reward_models={"ultrarm": rewards_QM}), "reward ranking: ultrarm")
    assert (found.kind, found.mean, found.cost) == ("reward_ranking", pytest.approx(1 / 3), 40)


def test_other_routers_and_neighbours_are_compared() -> None:
    found = report_of(outcomes(), other_routers={"hard-label router": np.zeros(4, int)}, neighbours_Q=np.ones(4, int))
    assert method(found, "hard-label router").mean == pytest.approx(1 / 3)
    assert method(found, "nearest neighbours").mean == pytest.approx(2 / 3)
    assert len(found.verdicts) == 5


def test_the_front_holds_what_nothing_beats() -> None:
    # a is cheap, b is good, c is dearer than b and no better, d has no cost, e cannot be had.
    front = pareto_front([0.2, 0.8, 0.8, 0.9, 1.0], [1, 5, 6, None, 1], [True, True, True, True, False])
    assert front == [True, True, False, False, False]


def test_a_ranking_by_the_grades_themselves_cannot_be_had_and_does_not_keep_others_off_the_front() -> None:
    free = np.zeros((4, 2))
    rows = outcomes(costs_QM=free)
    ranked = report_of(rows, reward_models={"reference": rows.metrics_QM, "ultrarm": rows.rewards_QM})
    pareto = {entry.method for entry in ranked.methods if entry.pareto}
    assert pareto == {"best per source", "zooter"}, "the oracle and the ranking by reference earn 1, these 5/6"


def test_ranks_may_count_the_mean_as_one_more_source_and_be_among_all_methods() -> None:
    # code, maths, mean: llama 0, 2/3, 1/3; vicuna 1, 1/3, 2/3; zooter 1, 2/3, 5/6; oracle 1, 1, 1.
    found = build_report(evidence(outcomes()), EvaluationConfig(draws=100, include_overall=True))
    assert method(found, "llama").mean_task_rank == pytest.approx((2 + 1 + 2) / 3)
    assert method(found, "llama").uplift == pytest.approx(1 / 3)
    jointly = build_report(evidence(outcomes()), EvaluationConfig(draws=100, rank_against="all"))
    assert method(jointly, "zooter").mean_task_rank == pytest.approx((1 + 2) / 2)


def test_sources_may_be_of_groups() -> None:
    # flask/law: llama 1, vicuna 0, zooter 1/2; flask/arts: llama 0, vicuna 1, zooter 1. No other group.
    found = report_of(outcomes(sources=["flask/law", "flask/law", "flask/arts", "flask/arts"]))
    assert method(found, "llama").per_group == {"flask": GroupResult(mean=0.5, mean_task_rank=1.5)}
    assert method(found, "zooter").per_group == {"flask": GroupResult(mean=0.75, mean_task_rank=1.5)}
    assert list(found.entropy.per_group) == ["flask"]
    assert found.entropy.per_group["flask"].bins == found.entropy.bins
    assert report_of(outcomes()).entropy.per_group == method(report_of(outcomes()), "zooter").per_group == {}


def test_a_report_knows_its_rows_in_any_order_of_experts() -> None:
    rows = outcomes()
    assert rows_fingerprint(rows.in_order(["vicuna", "llama"])) == rows_fingerprint(rows)
    assert rows_fingerprint(outcomes(query_ids=["a", "b", "c", "e"])) != rows_fingerprint(rows)
    assert rows_fingerprint(outcomes(metrics_QM=1 - rows.metrics_QM)) != rows_fingerprint(rows)


def test_a_source_may_be_called_like_the_rest_of_the_report() -> None:
    found = report_of(outcomes(sources=["all", "all", "all", "mean"]))
    assert found.router_share_per_source["mean"] == {"llama": 0, "vicuna": 1}
    assert found.router_share == {"llama": 0.25, "vicuna": 0.75}


def test_tags_show_who_is_good_at_what() -> None:
    per_tag = {"sums": {"llama": 0.9, "vicuna": 0.1}, "prose": {"llama": 0.2, "vicuna": 0.7}}
    learned = replace(LEARNED, per_tag=per_tag, tag_rows={"sums": 3, "prose": 8})
    found = report_of(outcomes(tags=[["sums"], ["prose", "sums"], ["new"], []]), learned=learned)
    assert found.expertise is not None
    assert (found.expertise.tags, found.expertise.rows) == (["prose", "sums"], [8, 3])
    assert found.expertise.means == [[0.2, 0.7], [0.9, 0.1]]
    assert found.expertise.value == "metric"
    # sums: llama. prose and sums: 0.55 against 0.4, llama. A new tag and none: vicuna, the best single expert.
    assert method(found, "best per tag").per_source == pytest.approx({"code": 1, "maths": 1})


def test_cases_tell_who_said_what_and_where_the_router_lost_most() -> None:
    responses = {"b": {"llama": "4", "vicuna": "5"}}
    found = report_of(outcomes(), responses=responses, browsed=[3, 0, 1, 2], lost=[1])
    assert [case.query_id for case in found.losses] == ["b"]
    lost = found.losses[0]
    assert (lost.zooter, lost.oracle, lost.loss) == ("vicuna", "llama", 1.0)
    assert [(e.response, e.reward, e.metric, e.cost) for e in lost.experts] == [("4", 9, 1, 10), ("5", 8, 0, 20)]
    assert {case.query_id for case in found.cases} == {"a", "b", "c", "d"}
    assert [case.source for case in found.cases] == ["code", "maths", "maths", "maths"]


def test_calibration_and_entropy_are_there(report: Report) -> None:
    # Of the chosen experts those with 0.9, 0.7 and 0.8 were the best, that with 0.6 was not: so few rows are one bin.
    (found,) = report.calibration.bins
    assert (found.rows, found.predicted, found.observed) == (4, pytest.approx(0.75), 0.75)
    assert report.calibration.expected_error == pytest.approx(0)
    assert len(report.entropy.points) == 4
    assert report.entropy.bins[0].entropy == pytest.approx(0.83994, abs=1e-5)  # softmax(9, 8), by hand
    # llama is preferred everywhere and right twice; the router is right thrice, vicuna, the best single expert, twice.
    (all_rows,) = report.entropy.bins
    assert (all_rows.value, all_rows.zooter, all_rows.best_single, all_rows.rows) == (0.5, 0.75, 0.5, 4)


@pytest.mark.parametrize("unit", [1.0, 100.0])
def test_the_entropy_of_standardised_rewards_does_not_depend_on_their_unit(unit: float) -> None:
    """Apart by 1/2 in each source, rewards of 9 and 8 become 18 and 16."""
    rows = outcomes(rewards_QM=unit * np.array([[9.0, 8.0]] * 4))
    found = report_of(rows, standardised=True).entropy
    assert found.standardised
    assert found.bins[0].entropy == pytest.approx(0.52707, abs=1e-5)  # softmax(2, 0): 0.88080 and 0.11920


def test_without_metrics_the_rewards_are_reported_and_without_costs_none_is_shown() -> None:
    report = report_of(outcomes(metrics_QM=None, costs_QM=None))
    assert report.value == "reward"
    assert method(report, "llama").mean == 9.0
    assert {entry.cost for entry in report.methods} == {None}
    assert {entry.relative_cost for entry in report.methods} == {None}
    assert not any(entry.pareto for entry in report.methods)


def test_where_the_best_single_expert_is_the_oracle_there_is_no_gap() -> None:
    report = report_of(outcomes(metrics_QM=np.array([[0.0, 1.0]] * 4)))
    assert report.gap_closed is None


# Verdicts


@pytest.mark.parametrize(
    ("metrics", "chosen", "verdicts"),
    [
        # vicuna is the best single expert
        ([1.0, 0.0], 0, ["zooter beats a random choice", "zooter beats the best single expert"]),
        ([1.0, 0.0], 1, ["zooter loses to a random choice", "zooter is level with the best single expert, but"]),
        ([0.0, 1.0], 0, ["zooter loses to a random choice", "zooter loses to the best single expert"]),
        ([1.0, 1.0], 0, ["zooter is level with a random choice, but", "zooter is level with the best single expert"]),
    ],
)
def test_verdicts_say_what_the_intervals_prove(metrics: list[float], chosen: int, verdicts: list[str]) -> None:
    report = report_of(many(metrics), np.eye(2)[[chosen] * 20])
    for found, expected in zip([report.verdicts["random"], report.verdicts["best single"]], verdicts, strict=True):
        assert found.startswith(expected)


def test_a_verdict_gives_its_numbers() -> None:
    report = report_of(many([1.0, 0.0]), np.eye(2)[[0] * 20])
    assert report.verdicts["random"] == "zooter beats a random choice (+0.500, 95% interval +0.500 to +0.500)."
    assert report.verdicts["best single"] == (
        "zooter beats the best single expert (+1.000, 95% interval +1.000 to +1.000)."
    )


def test_a_source_of_few_rows_proves_nothing() -> None:
    report = report_of(outcomes(metrics_QM=np.array([[1.0, 0.0]] * 4)), np.eye(2)[[0] * 4])
    assert report.verdicts["random"] == (
        "zooter is ahead of a random choice, but these rows do not prove a difference "
        "(+0.500, 95% interval +0.500 to +0.500): code has only 1 row."
    )


def test_a_lead_that_may_be_chance_is_said_to_be_none(report: Report) -> None:
    assert report.verdicts["best single"].startswith(
        "zooter is ahead of the best single expert, but these rows do not prove a difference (+0.167, 95% interval"
    )


@pytest.mark.parametrize("name", ["random", "best single", "oracle", "zooter"])
def test_an_expert_may_be_called_like_a_method(report: Report, name: str) -> None:
    learned = Learned({name: 0.4, "vicuna": 0.6}, {"maths": {name: 0.9, "vicuna": 0.1}}, {}, {})
    shown = {name: name, "vicuna": "vicuna"}
    found = report_of(outcomes(experts=[name, "vicuna"]), learned=learned, shown=shown)
    assert found.of_kind("router") == report.of_kind("router")
    assert found.named("best single").zooter_ahead == report.named("best single").zooter_ahead
    assert found.gap_closed == report.gap_closed
