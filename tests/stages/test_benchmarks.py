"""Benchmarks from published files to an outcomes file: who is asked what, what it is worth, and nothing twice."""

import io
import json
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.evaluation.benchmarks.published import FLASK, GSM8K, every_benchmark, lines
from tests.evaluation.benchmarks.test_published import PLAIN as REVIEWS
from tests.evaluation.benchmarks.test_published import judged
from tests.stages.endpoint import Endpoint, serving
from zooter_ray import pipeline
from zooter_ray.artifacts import read_json, read_table
from zooter_ray.config import BenchmarksConfig
from zooter_ray.errors import StageError
from zooter_ray.outcomes import read_outcomes
from zooter_ray.row_files import read_rows
from zooter_ray.schemas import REJECTED

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow]

ANSWERS = {
    "Write a line.": "A line.",
    "Write it again.": "A line, again.",
    "What is 1 + 1?": "2",
    "And twice that?": "4",
    "Which is a river?": "The answer is B.",
    "Which is a star?": "D",
    "is it": "B",
    "Ann has": "#### 1002",
    "Bob has": "He eats one of 5.\n#### 4",
    "double(xs": "```python\ndef double(xs: List[int]) -> List[int]:\n    return [int(half(4 * x)) for x in xs]\n```",
}


def thinking(asked: str, tries: int) -> str | tuple[int, str]:
    """Whoever is asked thinks before the reply."""
    found = reply(asked, tries)
    return f"<think>[[1]], [[B]]? #### 7 does not know</think>\n{found}" if isinstance(found, str) else found


def reply(asked: str, tries: int) -> str | tuple[int, str]:
    """What the expert `remote` answers, and what the judge makes of it: it dislikes `does not know`.

    On one answer that it dislikes it says nothing at first, and then refuses.
    """
    liked = "does not know" not in asked
    if asked.startswith("Compare"):
        return compare(asked, liked, tries)
    if asked.startswith("Rate an answer"):
        skills = {"Factuality": 5, "Conciseness": 4} if "Factuality" in asked else {"Logical Correctness": 5}
        return "Well.\n" + json.dumps({skill: rating if liked else rating - 3 for skill, rating in skills.items()})
    if asked.startswith("Rate ") and "Write it again" in asked and not liked:
        return "No rating." if tries == 1 else (400, "too long")
    if asked.startswith("Rate "):
        return f"Rating: [[{8 if liked else 3}]]"
    return next((answer for part, answer in ANSWERS.items() if part in asked), f"echo: {asked}")


def compare(asked: str, liked: bool, tries: int) -> str:
    """A tie on hills; on rivers the judge forgets its verdict at first."""
    if "hill" in asked or ("river" in asked and tries == 1):
        return "[[C]]" if "hill" in asked else "Both have something."
    first = asked.partition("<answer A>")[2].partition("</answer A>")[0]
    experts_first = "echo" in first or "does not know" in first
    return f"I see. [[{'A' if liked == experts_first else 'B'}]]"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[Endpoint]:
    with serving(thinking) as server:
        yield server


@pytest.fixture(scope="module")
def config(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> BenchmarksConfig:
    directory = tmp_path_factory.mktemp("benchmarks")
    http = {"kind": "http", "base_url": endpoint.base_url, "served_name": "m"}
    dummy = {"kind": "dummy", "accuracy": {"benchmarks/mmlu": 1.0}, "request_log": str(directory / "log")}
    return BenchmarksConfig.model_validate(
        {
            "run_dir": str(directory / "run"),
            "benchmarks": every_benchmark(directory),
            "generation": {"experts": [{"id": "remote", "engine": http}, {"id": "lost", "engine": dummy}]},
            "judge": {"engine": {**http, "served_name": "judge-m"}, "attempts": 2},
        }
    )


@pytest.fixture(scope="module")
def outcomes(config: BenchmarksConfig, ray_session: None) -> str:
    return pipeline.benchmark(config, Console(file=io.StringIO()))


def grades(outcomes: str) -> dict[str, dict[str, float]]:
    return {row["query_id"]: row["metrics"] for _, row in read_rows(outcomes)}


def bodies(endpoint: Endpoint, model: str, part: str) -> list[dict[str, Any]]:
    """Requests to a model whose last message has this text in it."""
    asked = [body for body in endpoint.bodies if body["model"] == model]
    return [body for body in asked if part in body["messages"][-1]["content"]]


def test_every_benchmark_is_graded_as_its_own_rules_say(outcomes: str) -> None:
    assert grades(outcomes) == {
        "alpaca_eval-0": {"remote": 1.0, "lost": 0.0},
        "alpaca_eval-1": {"remote": 1.0, "lost": 0.0},
        "alpaca_eval-2": {"remote": 0.5, "lost": 0.5},
        # The mean of the skills, for each of the domains.
        "flask-1/natural_science": {"remote": 4.5, "lost": 1.5},
        "flask-1/social_science": {"remote": 4.5, "lost": 1.5},
        "flask-2": {"remote": 5.0, "lost": 2.0},
        "mt_bench-111": {"remote": 8.0, "lost": 3.0},
        "mmlu-astronomy-1": {"remote": 1.0, "lost": 1.0},
        "mmlu-astronomy-2": {"remote": 0.0, "lost": 1.0},
        "mmlu-high_school_geography-1": {"remote": 1.0, "lost": 1.0},
        "gsm8k-0": {"remote": 1.0, "lost": 0.0},
        "gsm8k-1": {"remote": 1.0, "lost": 0.0},
        "human_eval-7": {"remote": 1.0, "lost": 0.0},
    }


def test_the_outcomes_are_what_evaluate_reads(outcomes: str) -> None:
    found = read_outcomes(outcomes)
    assert found.experts == ["lost", "remote"]
    assert sorted(set(found.sources)) == [
        "alpaca_eval/koala", "alpaca_eval/oasst", "alpaca_eval/vicuna", "benchmarks/gsm8k", "benchmarks/human_eval",
        "benchmarks/mmlu", "flask/math", "flask/natural_science", "flask/social_science", "mt_bench/math",
    ]  # fmt: skip
    assert set(found.splits) == {"eval"}
    assert found.metrics_QM is not None
    assert (found.rewards_QM == found.metrics_QM).all()
    # What is routed is the first turn as published; both turns are shown and paid for.
    position = found.query_ids.index("mt_bench-111")
    assert found.queries[position] == "What is 1 + 1?"
    assert found.responses["mt_bench-111"]["remote"] == "2\n\n4"
    assert found.costs_QM is not None
    assert found.costs_QM[position, 1] == 2 * 7
    assert found.queries[found.query_ids.index("gsm8k-1")].endswith("How many are left?")


def test_what_has_no_grade_is_left_out_and_named(outcomes: str, endpoint: Endpoint) -> None:
    """Even if the judge, asked again about what was left, replied to nothing."""
    unit = posixpath.dirname(outcomes)
    rejected = read_table(f"{unit}/rejected", REJECTED).to_pylist()
    unread = f"the judge did not reply: {endpoint.base_url}: BadRequestError: Error code: 400 - too long"
    nowhere = "the published file counts it for no subset"
    assert sorted((row["query_id"], row["expert"], row["reason"]) for row in rejected) == [
        ("flask-3", None, nowhere),
        ("mt_bench-81", "lost", unread),
    ]
    manifest = read_json(f"{unit}/manifest.json")
    assert manifest["dropped"] == {nowhere: 1, unread: 1}
    assert (manifest["rows_in"], manifest["rows_out"]) == (15, 13)
    (writing,) = [r for r in manifest["results"] if (r["source"], r["expert"]) == ("mt_bench/writing", "remote")]
    assert (writing["mean"], writing["graded"], writing["missing"]) == (8.0, 1, 0)


def test_a_second_turn_is_asked_behind_the_experts_own_first_answer(outcomes: str, endpoint: Endpoint) -> None:
    (body,) = bodies(endpoint, "m", "And twice that?")
    assert body["messages"] == [
        {"role": "user", "content": "What is 1 + 1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "And twice that?"},
    ]


def test_the_last_three_are_decoded_greedily_and_the_others_as_the_expert_says(
    outcomes: str, endpoint: Endpoint
) -> None:
    greedy = ("is it", "Bob has", "double(xs")
    assert {body["temperature"] for part in greedy for body in bodies(endpoint, "m", part)} == {0.0}
    others = ("Name a river", "Explain rain", "Write a line")
    assert {body["temperature"] for part in others for body in bodies(endpoint, "m", part)} == {0.7}


def test_the_judge_gets_the_published_prompts_and_is_asked_again_where_it_forgot(
    outcomes: str, endpoint: Endpoint
) -> None:
    (first,) = bodies(endpoint, "judge-m", "Rate one. Q: What is 1 + 1? R: It is 2. A: 2")
    assert first["messages"][0] == {"role": "system", "content": "Be fair."}
    (second,) = bodies(endpoint, "judge-m", "R: It is 2. A: 2 Q: And twice that? R: It is 4. A: 4")
    assert second["messages"][0] == {"role": "system", "content": "Judge the second."}
    river = bodies(endpoint, "judge-m", "Name a river")
    assert sorted((body["temperature"], body.get("seed")) for body in river) == [
        (0.0, None), (0.0, None), (0.7, 1000), (0.7, 1000),
    ]  # fmt: skip
    assert len(bodies(endpoint, "judge-m", "Write it again")) == 1 + 2, "the expert lost is asked about twice"


def test_a_run_that_is_started_again_asks_nothing_twice(
    outcomes: str, config: BenchmarksConfig, endpoint: Endpoint, console: Console
) -> None:
    log = Path(config.run_dir).parent / "log"
    before = log.read_text()
    endpoint.bodies.clear()
    assert pipeline.benchmark(config, console) == outcomes
    assert endpoint.bodies == []
    # Killed while it was judging: what the judge had said about FLASK is lost, and nothing else is asked again.
    (unit,) = Path(config.run_dir, "02_responses/judge/remote/flask").iterdir()
    for file in [*unit.glob("part-*"), unit / "manifest.json"]:
        file.unlink()
    assert pipeline.benchmark(config, console) == outcomes
    assert len(endpoint.bodies) == 2
    assert all(body["messages"][-1]["content"].startswith("Rate an answer") for body in endpoint.bodies)
    assert log.read_text() == before


def annotated(directory: Path, wins: list[float | None], **settings: Any) -> BenchmarksConfig:
    """Published answers of two experts, of whom `lost` has these verdicts."""
    queries = [{"query_id": f"q{n}", "query": f"Query {n}", "subset": "koala"} for n in range(len(wins))]
    answers = {"remote": ("I know.", [1.0] * len(wins)), "lost": ("Nobody does not know.", wins)}
    experts = {
        expert: lines(
            directory / f"{expert}.jsonl",
            [{"query_id": f"q{n}", "response": text, "win": win} for n, win in enumerate(verdicts)],
        )
        for expert, (text, verdicts) in answers.items()
    }
    benchmark = {"kind": "annotations", "path": lines(directory / "queries.jsonl", queries), "experts": experts}
    return BenchmarksConfig.model_validate({"run_dir": str(directory / "run"), "benchmarks": [benchmark]} | settings)


def test_a_reward_models_rewards_stand_beside_the_grades(tmp_path: Path, endpoint: Endpoint, console: Console) -> None:
    engine = {"kind": "http", "base_url": endpoint.base_url, "served_name": "m"}
    rater = {"id": "rater", "kind": "generative", "engine": engine, "prompt": "Rate {query} {response}"}
    found = pipeline.benchmark(annotated(tmp_path, [0.5, 0.0], reward_models=[rater]), console)
    rows = [row for _, row in read_rows(found)]
    assert [row["metrics"] for row in rows] == [{"remote": 1.0, "lost": 0.5}, {"remote": 1.0, "lost": 0.0}]
    assert [row["rewards"] for row in rows] == [{"remote": 8.0, "lost": 3.0}] * 2


def test_several_reward_models_rank_the_answers_each_under_its_name(
    tmp_path: Path, endpoint: Endpoint, console: Console
) -> None:
    engine = {"kind": "http", "base_url": endpoint.base_url, "served_name": "m"}
    rater = {"id": "rater", "kind": "generative", "engine": engine, "prompt": "Rate {query} {response}"}
    raters = [rater, rater | {"id": "other", "prompt": "Rate again {query} {response}"}]
    found = read_outcomes(pipeline.benchmark(annotated(tmp_path, [0.5, 0.0], reward_models=raters), console))
    named, rankings = pipeline.rankings_of(found)
    assert (named, list(rankings)) == ("rater", ["rater", "other"])
    np.testing.assert_array_equal(rankings["rater"], found.rewards_QM)
    np.testing.assert_array_equal(found.in_order(found.experts[::-1]).rankings["other"], rankings["other"][:, ::-1])


def test_published_judgments_are_ranked_by_a_reward_model_that_sees_the_first_turn(
    tmp_path: Path, endpoint: Endpoint, console: Console
) -> None:
    engine = {"kind": "http", "base_url": endpoint.base_url, "served_name": "m"}
    rater = {"id": "rater", "kind": "generative", "engine": engine, "prompt": "Rate now {query} {response}"}
    config = {"run_dir": str(tmp_path / "run"), "benchmarks": [judged(tmp_path)], "reward_models": [rater]}
    found = pipeline.benchmark(BenchmarksConfig.model_validate(config), console)
    ((_, row),) = read_rows(found)
    assert (row["query_id"], row["source"]) == ("mt_bench-81", "mt_bench/writing")
    assert row["metrics"] == {"vicuna": 8.75, "llama": 5.75}
    asked = {body["messages"][-1]["content"] for body in endpoint.bodies}
    assert {text for text in asked if text.startswith("Rate now")} == {
        "Rate now Write a line. A line.",
        "Rate now What is 1 + 1? 2",
    }


def test_published_reviews_stand_beside_what_is_answered_and_then_there_are_no_costs(
    tmp_path: Path, console: Console
) -> None:
    experts = {"a": lines(tmp_path / "a.jsonl", REVIEWS), "b": lines(tmp_path / "b.jsonl", REVIEWS)}
    reviewed = {"kind": "flask_reviews", "path": lines(tmp_path / "flask.jsonl", FLASK), "experts": experts}
    answered = {"kind": "gsm8k", "path": lines(tmp_path / "gsm8k.jsonl", GSM8K)}
    pool = {"experts": [{"id": expert, "engine": {"kind": "dummy"}} for expert in experts]}
    config = {"run_dir": str(tmp_path / "run"), "benchmarks": [reviewed, answered], "generation": pool}
    found = read_outcomes(pipeline.benchmark(BenchmarksConfig.model_validate(config), console))
    assert set(found.sources) == {"flask/natural_science", "flask/social_science", "flask/math", "benchmarks/gsm8k"}
    assert found.costs_QM is None
    assert "not every answer has its tokens, so the outcomes have no costs" in console.file.getvalue()  # type: ignore[attr-defined]


def test_without_any_row_the_first_reason_is_told(tmp_path: Path, console: Console) -> None:
    with pytest.raises(StageError, match="no query has a grade of every expert; the first reason: the anno"):
        pipeline.benchmark(annotated(tmp_path, [None]), console)
