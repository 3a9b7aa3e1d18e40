"""The report of an evaluation, by hand on four rows and two experts."""

import io
import json
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.evaluation.report import build_report, markdown, terminal_table
from zooter_ray.outcomes import Outcomes

CONFIG = EvaluationConfig(draws=500)
SHOWN = {"llama": "llama", "vicuna": "vicuna (same weights as llama)"}
MEANS = {"overall": {"llama": 0.4, "vicuna": 0.6}, "per_source": {}}


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


def report_of(rows: Outcomes, probabilities_QM: np.ndarray = PROBABILITIES_QM) -> dict[str, Any]:
    return build_report(rows, probabilities_QM, MEANS, CONFIG, SHOWN)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    return report_of(outcomes())


def shown(report: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=140)
    console.print(terminal_table(report))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# Numbers


def test_the_report_says_what_was_evaluated(report: dict[str, Any]) -> None:
    assert report["schema_version"] == 1
    assert report["rows"] == 4
    assert report["sources"] == {"code": 1, "maths": 3}
    assert report["value"] == "metric"
    assert report["best_single"] == "vicuna"
    assert report["best_single_shown"] == SHOWN["vicuna"]
    assert report["confidence"] == 0.95


@pytest.mark.parametrize(
    ("method", "maths", "code", "mean", "tokens", "relative_cost"),
    [
        ("random", 1 / 2, 1 / 2, 1 / 2, 17.5, 0.7),
        ("llama", 2 / 3, 0, 1 / 3, 10, 0.4),
        ("vicuna", 1 / 3, 1, 2 / 3, 25, 1),
        ("best single", 1 / 3, 1, 2 / 3, 25, 1),
        ("zooter", 2 / 3, 1, 5 / 6, 22.5, 0.9),
        ("oracle", 1, 1, 1, 20, 0.8),
    ],
)
def test_each_method_has_its_means_and_costs(
    report: dict[str, Any], method: str, maths: float, code: float, mean: float, tokens: float, relative_cost: float
) -> None:
    (found,) = (entry for entry in report["methods"] if entry["method"] == method)
    assert found["per_source"] == pytest.approx({"maths": maths, "code": code})
    assert found["mean"] == pytest.approx(mean)
    assert found["generated_tokens"] == pytest.approx(tokens)
    assert found["relative_cost"] == pytest.approx(relative_cost)


def test_methods_are_shown_by_the_names_of_the_pool(report: dict[str, Any]) -> None:
    assert [(entry["shown"], entry["kind"]) for entry in report["methods"]] == [
        ("random", "random"),
        ("llama", "expert"),
        ("vicuna (same weights as llama)", "expert"),
        ("best single", "baseline"),
        ("zooter", "router"),
        ("oracle", "oracle"),
    ]


def test_the_router_closes_half_of_the_gap_and_chooses_vicuna_three_times(report: dict[str, Any]) -> None:
    assert report["gap_closed"] == pytest.approx((5 / 6 - 2 / 3) / (1 - 2 / 3)) == pytest.approx(1 / 2)
    assert report["router_share"] == {"llama": 0.25, "vicuna": 0.75}


def test_differences_to_random_and_to_the_best_single_expert_have_intervals(report: dict[str, Any]) -> None:
    against_random, against_best = report["zooter_against"]["random"], report["zooter_against"]["best single"]
    assert against_random["difference"] == pytest.approx(1 / 3)
    assert against_best["difference"] == pytest.approx(1 / 6)
    # Per row zooter is ahead of the best single expert by 1, 0, 0 (maths) and 0 (code).
    assert (against_best["low"], against_best["high"]) == (0.0, pytest.approx(0.5))


def test_the_report_is_plain_json(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_without_metrics_the_rewards_are_reported_and_without_costs_no_tokens() -> None:
    report = report_of(outcomes(metrics_QM=None, costs_QM=None))
    assert report["value"] == "reward"
    assert {entry["method"]: entry["mean"] for entry in report["methods"]}["llama"] == 9.0
    assert {entry["generated_tokens"] for entry in report["methods"]} == {None}
    assert {entry["relative_cost"] for entry in report["methods"]} == {None}


def test_where_the_best_single_expert_is_the_oracle_there_is_no_gap() -> None:
    report = report_of(outcomes(metrics_QM=np.array([[0.0, 1.0]] * 4)))
    assert report["gap_closed"] is None
    assert "closes" not in markdown(report)


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
    probabilities_QM = np.eye(2)[[chosen] * 4]
    report = report_of(outcomes(metrics_QM=np.array([metrics] * 4)), probabilities_QM)
    for found, expected in zip(report["verdicts"], verdicts, strict=True):
        assert found.startswith(expected)


def test_a_verdict_gives_its_numbers() -> None:
    report = report_of(outcomes(metrics_QM=np.array([[1.0, 0.0]] * 4)), np.eye(2)[[0] * 4])
    assert report["verdicts"] == [
        "zooter beats a random choice (+0.500, 95% interval +0.500 to +0.500).",
        "zooter beats the best single expert (+1.000, 95% interval +1.000 to +1.000).",
    ]


def test_a_lead_that_may_be_chance_is_said_to_be_none(report: dict[str, Any]) -> None:
    assert report["verdicts"][1].startswith(
        "zooter is ahead of the best single expert, but these rows do not prove a difference (+0.167, 95% interval"
    )


# Markdown and terminal


def test_markdown_holds_the_figures(report: dict[str, Any]) -> None:
    text = markdown(report)
    for line in (
        "Metric per source and the mean over the sources; 4 held-out queries.",
        "| method | code | maths | mean | generated tokens |",
        "|---|---|---|---|---|",
        "| random | 0.500 | 0.500 | 0.500 | 17.5 |",
        "| llama | 0.000 | 0.667 | 0.333 | 10.0 |",
        "| best single | 1.000 | 0.333 | 0.667 | 25.0 |",
        "- The best single expert, chosen on training data, is vicuna (same weights as llama).",
        "| zooter | 1.000 | 0.667 | 0.833 | 22.5 |",
        "| oracle | 1.000 | 1.000 | 1.000 | 20.0 |",
        "- zooter closes 50% of the gap between the best single expert and the oracle.",
        "- The router's choices: llama 25%, vicuna 75%.",
        *(f"- {verdict}" for verdict in report["verdicts"]),
    ):
        assert line in text.splitlines()


def test_the_terminal_shows_the_figures(report: dict[str, Any]) -> None:
    text = shown(report)
    assert "metric per source, on 4 held-out queries" in text
    assert all(name in text for name in ("random", "llama", "best", "single", "zooter", "oracle"))
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    # random, llama, vicuna, best single, zooter, oracle
    assert lines["code"] == ["0.500", "0.000", "1.000", "1.000", "1.000", "1.000"]
    assert lines["maths"] == ["0.500", "0.667", "0.333", "0.333", "0.667", "1.000"]
    assert lines["mean"] == ["0.500", "0.333", "0.667", "0.667", "0.833", "1.000"]
    assert lines["tokens"] == ["17.5", "10.0", "25.0", "25.0", "22.5", "20.0"]


def test_the_best_of_each_source_but_the_oracles_is_bold(report: dict[str, Any]) -> None:
    cells = list(zip(*(column.cells for column in terminal_table(report).columns), strict=True))
    bold = {row[0]: [number for number, cell in enumerate(row) if "[bold]" in cell] for row in cells}
    # source, random, llama, vicuna, best single, zooter, oracle
    assert bold == {"code": [3, 4, 5], "maths": [2, 5], "mean": [5], "tokens": []}


def test_without_costs_the_tokens_are_left_empty() -> None:
    report = report_of(outcomes(costs_QM=None))
    assert "| zooter | 1.000 | 0.667 | 0.833 |  |" in markdown(report)
    assert "None" not in shown(report)


@pytest.mark.parametrize("name", ["random", "best single", "oracle", "zooter"])
def test_an_expert_may_be_called_like_a_method(report: dict[str, Any], name: str) -> None:
    means = {"overall": {name: 0.4, "vicuna": 0.6}}
    found = build_report(outcomes(experts=[name, "vicuna"]), PROBABILITIES_QM, means, CONFIG, {})
    assert found["zooter_against"] == report["zooter_against"]
    assert found["gap_closed"] == report["gap_closed"]
