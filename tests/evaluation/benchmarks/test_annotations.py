"""Published verdicts give the published win rates, in both published forms."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tests.evaluation.benchmarks.published import lines
from zooter_ray.cli.main import main
from zooter_ray.config.benchmarks import Annotations
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks import load
from zooter_ray.evaluation.benchmarks.annotations import published_grades
from zooter_ray.evaluation.benchmarks.outcomes import outcome_rows, rejected_rows, subset_results
from zooter_ray.outcomes import read_outcomes

DATA = Path(os.environ.get("ZOOTER_PUBLIC_DATA", "/nonexistent")) / "alpaca_eval"
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="ZOOTER_PUBLIC_DATA names no data")

LEADERBOARD = {
    "wizardlm-13b": 75.31, "vicuna-13b": 70.43, "llama-2-13b-chat-hf": 81.09, "ultralm-13b-v2.0": 86.28,
    "claude2-alpaca-13b": 78.93, "causallm-14b": 88.26,
}  # fmt: skip
SUBSETS = {"helpful_base": 129, "koala": 156, "oasst": 188, "selfinstruct": 252, "vicuna": 80}


def public() -> dict[str, Any]:
    experts = {expert: str(DATA / f"responses/{expert}.jsonl.gz") for expert in LEADERBOARD}
    return {"kind": "annotations", "path": str(DATA / "queries.jsonl.gz"), "experts": experts}


def win_rates(config: Annotations) -> dict[tuple[str, str], float]:
    """Percentages by subset and expert; `alpaca_eval` is the whole."""
    queries = load(config)
    found = subset_results(queries, published_grades(config, queries))
    return {(result.source, result.expert): round(100 * (result.mean or 0), 2) for result in found}


@pytest.mark.data
@with_data
def test_the_win_rates_are_those_of_the_leaderboard() -> None:
    rates = win_rates(Annotations.model_validate(public()))
    assert {expert: rates["alpaca_eval", expert] for expert in LEADERBOARD} == LEADERBOARD


@pytest.mark.data
@with_data
def test_the_win_rates_per_subset_are_the_means_of_the_published_verdicts() -> None:
    rates = win_rates(Annotations.model_validate(public()))
    subsets = pl.read_ndjson(gzip.decompress((DATA / "queries.jsonl.gz").read_bytes())).select("query_id", "subset")
    for expert in LEADERBOARD:
        verdicts = pl.read_ndjson(gzip.decompress((DATA / f"responses/{expert}.jsonl.gz").read_bytes()))
        joined = verdicts.join(subsets, on="query_id").drop_nulls("win")
        means = joined.group_by("subset").agg(pl.col("win").mean() * 100)
        assert {name: rates[f"alpaca_eval/{name}", expert] for name in SUBSETS} == {
            name: round(mean, 2) for name, mean in means.iter_rows()
        }
    # By hand: of helpful_base's 129 verdicts on causallm-14b 124 are wins and 2 are draws; of vicuna's 79 on
    # claude2-alpaca-13b, where one query has none, 70 are wins.
    assert rates["alpaca_eval/helpful_base", "causallm-14b"] == round(100 * 125 / 129, 2) == 96.9
    assert rates["alpaca_eval/vicuna", "claude2-alpaca-13b"] == round(100 * 70 / 79, 2) == 88.61


@pytest.mark.data
@with_data
def test_the_command_writes_the_outcomes_and_needs_no_engine(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"run_dir": str(tmp_path / "run"), "benchmarks": [public()]}))
    assert main(["benchmark", "--config", str(config)]) == 0
    printed = capfd.readouterr().out
    assert "left out: 8 rows, the annotation holds no verdict" in printed
    path = printed.split("outcomes: ")[1].strip()
    found = read_outcomes(path, list(LEADERBOARD))
    # Eight queries lack a verdict on some expert, and each expert's mean over the rest is near its win rate.
    assert found.rewards_QM.shape == (797, 6)
    assert np.abs(100 * found.rewards_QM.mean(axis=0) - list(LEADERBOARD.values())).max() < 100 * 8 / 805
    assert {source: found.sources.count(source) for source in set(found.sources)} == {
        "alpaca_eval/helpful_base": 129, "alpaca_eval/koala": 155, "alpaca_eval/oasst": 187,
        "alpaca_eval/selfinstruct": 247, "alpaca_eval/vicuna": 79,
    }  # fmt: skip
    assert found.responses["alpaca_eval-0"]["vicuna-13b"].startswith("There have been many famous actors")


QUERIES = [{"query_id": f"q{number}", "query": f"Query {number}", "subset": "koala"} for number in range(3)]


def verdicts(*wins: float | None) -> list[dict[str, Any]]:
    return [{"query_id": f"q{number}", "response": f"r{number}", "win": win} for number, win in enumerate(wins)]


def annotation(number: int, preference: float | None, reference_first: bool = True) -> dict[str, Any]:
    sides = ("text_davinci_003", "expert") if reference_first else ("expert", "text_davinci_003")
    told = {f"generator_{side}": name for side, name in enumerate(sides, start=1)}
    outputs = {f"output_{side}": f"{name} says {number}" for side, name in enumerate(sides, start=1)}
    return {"instruction": f"Query {number}", **outputs, **told, "preference": preference}


def settings(directory: Path, first: list[Any], second: list[Any]) -> Annotations:
    experts = {name: lines(directory / f"{name}.jsonl", rows) for name, rows in (("a", first), ("b", second))}
    return Annotations(path=lines(directory / "queries.jsonl", QUERIES), experts=experts)


def test_a_draw_is_half_a_win_and_no_verdict_is_no_row_and_leaves_the_win_rate_alone(tmp_path: Path) -> None:
    config = settings(tmp_path, verdicts(1, 0.5, 0), verdicts(1.0, None, 1.0))
    queries = load(config)
    grades = published_grades(config, queries)
    assert [round(result.mean or 0, 3) for result in subset_results(queries, grades)] == [0.5, 1.0]
    assert [row["query_id"] for row in outcome_rows(queries, grades)] == ["q0", "q2"]
    (rejected,) = rejected_rows(queries, grades)
    assert (rejected["query_id"], rejected["expert"]) == ("q1", "b")
    assert rejected["reason"] == "the annotation holds no verdict"


def test_alpaca_evals_own_annotations_count_for_the_expert_on_either_side(tmp_path: Path) -> None:
    first = [annotation(0, 2.0), annotation(1, 1.5), annotation(2, 1.0)]
    second = [
        annotation(0, 2.0, reference_first=False),
        annotation(1, 1.25, reference_first=False),
        annotation(2, None),
    ]
    config = settings(tmp_path, first, second)
    grades = published_grades(config, load(config))
    assert [grade.value for grade in grades["a"].values()] == [1.0, 0.5, 0.0]
    assert [grade.value for grade in grades["b"].values()] == [0.0, 0.75, None]
    assert grades["b"]["q0"].response == "expert says 0"


@pytest.mark.parametrize("reference_first", [True, False])
def test_a_preference_of_0_is_a_draw_as_in_older_files(tmp_path: Path, reference_first: bool) -> None:
    config = settings(tmp_path, verdicts(1, 1, 1), [annotation(number, 0, reference_first) for number in range(3)])
    assert [grade.value for grade in published_grades(config, load(config))["b"].values()] == [0.5] * 3


def test_a_query_without_a_row_has_no_grade(tmp_path: Path) -> None:
    config = settings(tmp_path, verdicts(1, 1, 1), verdicts(1, 1))
    assert published_grades(config, load(config))["b"]["q2"].reason == "the file has no row for this query"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"query_id": "q0", "response": "r"}], "b.jsonl:1: column 'win' or 'preference' is missing"),
        ([{"query_id": "q0", "win": 1}], "b.jsonl:1: column 'response' must be a text"),
        (verdicts(2), r"b.jsonl:1: column 'win' must be a number from 0 to 1 or null, not 2"),
        ([annotation(0, 3)], r"b.jsonl:1: column 'preference' must be 0 or a number from 1 to 2 or null, not 3"),
        ([annotation(0, 1) | {"generator_1": "gpt4"}], "one of the generators must be text_davinci_003, not gpt4 and"),
        (verdicts(1) + verdicts(0), "b.jsonl:2: there is a second row for 'q0'"),
        ([annotation(7, 1)], "b.jsonl has no row for any of the 3 queries"),
    ],
)
def test_a_bad_annotation_is_named(tmp_path: Path, rows: list[Any], message: str) -> None:
    config = settings(tmp_path, verdicts(1, 1, 1), rows)
    with pytest.raises(DataError, match=message):
        published_grades(config, load(config))
