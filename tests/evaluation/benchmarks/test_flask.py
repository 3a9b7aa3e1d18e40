"""FLASK: ten domains, twelve skills, ratings averaged over a query's skills."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.benchmarks.published import FLASK, lines
from zooter_ray.config.benchmarks import Flask
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks import load
from zooter_ray.evaluation.benchmarks.flask import SKILLS, SUBSETS, verdict
from zooter_ray.evaluation.benchmarks.outcomes import Grade, outcome_rows, rejected_rows, subset_results
from zooter_ray.evaluation.judges import asked

FILE = Path(os.environ.get("ZOOTER_PUBLIC_DATA", "/nonexistent")) / "benchmarks/flask/flask_evaluation.jsonl"


def flask(directory: Path, rows: list[Any] = FLASK) -> Flask:
    return Flask(path=lines(directory / "flask.jsonl", rows))


def test_the_judge_is_told_the_skills_of_the_query_and_no_others(tmp_path: Path) -> None:
    first, *_ = load(flask(tmp_path))
    (question,) = first.questions
    text = asked(question, ["Clouds burst."])
    assert all(part in text for part in ("Explain rain.", "Water falls.", "Clouds burst."))
    assert [skill for skill in SKILLS if f"- {skill}: {SKILLS[skill]}" in text] == ["Factuality", "Conciseness"]
    assert text.endswith('{"Factuality": 3, "Conciseness": 3}')


def test_a_grade_is_the_mean_of_the_skills(tmp_path: Path) -> None:
    first, second, _ = load(flask(tmp_path))
    assert verdict(first, 'Good.\n{"Factuality": 5, "Conciseness": 2}') == 3.5
    assert verdict(first, 'Good.\n{"Factuality": 5}') is None
    assert verdict(second, '{"Logical Correctness": 1}') == 1.0


def test_a_query_counts_for_each_of_its_domains_and_without_one_for_none(tmp_path: Path) -> None:
    queries = load(flask(tmp_path))
    grades = {"a": {"flask-1": Grade(4.0), "flask-2": Grade(3.0)}, "b": {"flask-1": Grade(2.0), "flask-2": Grade(1.0)}}
    rows = list(outcome_rows(queries, grades))
    assert [(row["query_id"], row["source"], row["metrics"]) for row in rows] == [
        ("flask-1/natural_science", "flask/natural_science", {"a": 4.0, "b": 2.0}),
        ("flask-1/social_science", "flask/social_science", {"a": 4.0, "b": 2.0}),
        ("flask-2", "flask/math", {"a": 3.0, "b": 1.0}),
    ]
    assert [row["query_id"] for row in rejected_rows(queries, grades)] == ["flask-3"]
    means = {(result.source, result.expert): result.mean for result in subset_results(queries, grades)}
    # The whole counts each query once.
    assert (means["flask/math", "a"], means["flask", "a"], means["flask", "b"]) == (3.0, 3.5, 1.5)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"domain": ["Magic"]}, "flask.jsonl:1: 'Magic' is no subset of the benchmark; those are humanities, language"),
        ({"skill": ["Magic"]}, "flask.jsonl:1: 'Magic' is no skill of FLASK; those are Logical Robustness"),
        ({"skill": "Factuality"}, "flask.jsonl:1: column 'skill' must hold a list of texts"),
        ({"idx": None}, "flask.jsonl:1: column 'idx' is missing"),
        ({"answer": ""}, "flask.jsonl:1: `answer` must be a text that is not empty"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(flask(tmp_path, [FLASK[0] | row]))


@pytest.mark.data
@pytest.mark.skipif(not FILE.is_file(), reason="ZOOTER_PUBLIC_DATA names no data")
def test_the_published_set_has_ten_domains() -> None:
    queries = load(Flask(path=str(FILE)))
    published = [json.loads(line) for line in FILE.read_text().splitlines()]
    counts = Counter(source for query in queries for source in query.sources)
    assert len(queries) == 1740
    assert set(counts) == {f"flask/{name}" for name in SUBSETS}
    assert counts["flask/social_science"] == sum("Social Science" in row["domain"] for row in published) == 278
    # Eleven have `-1` among their domains, eight of them beside another one.
    assert sum("-1" in row["domain"] for row in published) == 11
    assert sum(not query.sources for query in queries) == 3
