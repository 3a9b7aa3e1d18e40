"""Published verdicts of FLASK and MT-Bench, in the forms in which their scripts write them."""

from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.benchmarks.published import FLASK, QUESTIONS, lines
from zooter_ray.config.benchmarks import FlaskReviews, MTBenchJudgments
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks import PUBLISHED, load
from zooter_ray.evaluation.benchmarks.outcomes import Grade, first_turn_of, outcome_rows, rejected_rows, subset_results


def review(number: int, score: object, **changed: Any) -> dict[str, Any]:
    """A review's score is lower-case, with N/A where a skill does not apply."""
    return {"question_id": number, "target_txt": f"answer {number}", "review": "Good.", "score": score} | changed


GOOD = [review(1, {"factuality": 5, "conciseness": "N/A"}), review(2, {"logical correctness": 2.0})]
PLAIN = [review(1, {"factuality": 1, "conciseness": 4}), review(2, {"logical_correctness": 1})]


def reviews(directory: Path, first: list[Any], second: list[Any] = PLAIN) -> FlaskReviews:
    experts = {name: lines(directory / f"{name}.jsonl", rows) for name, rows in (("a", first), ("b", second))}
    return FlaskReviews(path=lines(directory / "flask.jsonl", FLASK), experts=experts)


def graded(config: Any) -> dict[str, dict[str, Grade]]:
    return PUBLISHED[config.kind](config, load(config))


def test_a_review_is_the_mean_of_the_skills_that_are_rated(tmp_path: Path) -> None:
    config = reviews(tmp_path, GOOD)
    grades = graded(config)
    rows = list(outcome_rows(load(config), grades))
    assert [(row["source"], row["metrics"]) for row in rows] == [
        ("flask/natural_science", {"a": 5.0, "b": 2.5}),
        ("flask/social_science", {"a": 5.0, "b": 2.5}),
        ("flask/math", {"a": 2.0, "b": 1.0}),
    ]
    assert rows[0]["responses"] == {"a": "answer 1", "b": "answer 1"}


@pytest.mark.parametrize(
    "score",
    [{}, {"factuality": 5}, {"factuality": 6, "conciseness": 1}, dict.fromkeys(["factuality", "conciseness"], "N/A")],
)
def test_a_review_that_does_not_rate_the_querys_skills_is_no_verdict(tmp_path: Path, score: dict[str, Any]) -> None:
    config = reviews(tmp_path, [review(1, score), GOOD[1]])
    (missing, _) = rejected_rows(load(config), graded(config))
    assert (missing["query_id"], missing["expert"]) == ("flask-1", "a")
    assert missing["reason"] == "the review has no whole rating from 1 to 5 of each of the query's skills"


def test_ratings_may_be_texts_and_an_answer_may_be_empty(tmp_path: Path) -> None:
    config = reviews(tmp_path, [review(1, {"factuality": "4", "conciseness": " 1 "}, target_txt=""), GOOD[1]])
    found = graded(config)["a"]["flask-1"]
    assert (found.value, found.response) == (2.5, "")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"target_txt": "x", "score": {}}], "a.jsonl:1: column 'question_id' or 'idx' is missing"),
        ([{"idx": 1, "target_txt": "x"}], "a.jsonl:1: column 'score' is missing"),
        ([{"idx": 1, "score": {}}], "a.jsonl:1: column 'target_txt' must be a text"),
        ([GOOD[0], GOOD[0]], "a.jsonl:2: there is a second row for flask-1"),
        ([review(7, {})], "a.jsonl has no row for any of the 3 queries"),
    ],
)
def test_a_bad_review_is_named(tmp_path: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        graded(reviews(tmp_path, rows))


def judgment(number: int, model: str, turn: Any, score: Any) -> dict[str, Any]:
    return {"question_id": number, "model": model, "judge": ["gpt-4", "single-v1"], "judgment": f"[[{score}]]",
            "score": score, "turn": turn}  # fmt: skip


def answer(number: int, *turns: str) -> dict[str, Any]:
    return {"question_id": number, "choices": [{"index": 0, "turns": list(turns)}]}


JUDGMENTS = [
    judgment(81, "vicuna-13b", 1, 8), judgment(81, "vicuna-13b", 2, 9.5), judgment(111, "vicuna-13b", 1, 10),
    judgment(111, "vicuna-13b", 2, 1), judgment(81, "llama-13b", 1, 6), judgment(81, "llama-13b", 1, 7),
    judgment(81, "llama-13b", 2, 5), judgment(111, "llama-13b", 1, 3), judgment(111, "llama-13b", 2, -1),
    judgment(81, "gpt-4", 1, 10),
]  # fmt: skip
ANSWERS = [answer(81, "A line.", "Another."), answer(111, "2", "4")]


def judged(directory: Path, judgments: list[Any] = JUDGMENTS, answers: list[Any] = ANSWERS) -> MTBenchJudgments:
    (directory / "model_answer").mkdir()
    for model in ("vicuna-13b", "llama-13b"):
        lines(directory / f"model_answer/{model}.jsonl", answers)
    return MTBenchJudgments(
        path=lines(directory / "question.jsonl", QUESTIONS),
        judgments=lines(directory / "single.jsonl", judgments),
        answers=str(directory / "model_answer"),
        experts={"vicuna": "vicuna-13b", "llama": "llama-13b"},
    )


def test_a_judgment_is_the_mean_of_both_turns_and_one_that_was_not_read_is_none(tmp_path: Path) -> None:
    config = judged(tmp_path)
    grades = graded(config)
    assert {expert: [grade.value for grade in found.values()] for expert, found in grades.items()} == {
        "vicuna": [8.75, 5.5],
        "llama": [(6.5 + 5) / 2, None],
    }
    assert grades["llama"]["mt_bench-111"].reason == "a turn has no score from 1 to 10"
    assert (grades["llama"]["mt_bench-81"].response, grades["llama"]["mt_bench-81"].first_turn) == (
        "A line.\n\nAnother.",
        "A line.",
    )
    means = {(result.source, result.expert): result.mean for result in subset_results(load(config), grades)}
    assert (means["mt_bench", "vicuna"], means["mt_bench/writing", "llama"]) == (7.125, 5.75)


def test_what_is_judged_beside_it_is_not_looked_at(tmp_path: Path) -> None:
    """Of other models, and on other questions, any score will do; of a model of the pool one off the scale is none."""
    others = [judgment(81, "gpt-4", 9, "?"), judgment(160, "vicuna-13b", 1, 8), judgment(81, "vicuna-13b", 1, 0)]
    silent = [answer(81, "", "Another."), ANSWERS[1]]
    grades = graded(judged(tmp_path, [*JUDGMENTS, *others], silent))
    assert grades["vicuna"]["mt_bench-81"].value == 8.75
    assert first_turn_of(grades["vicuna"]["mt_bench-81"]) == ""


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"judgments": JUDGMENTS[:4]}, "single.jsonl judges no model llama-13b; it has vicuna-13b"),
        ({"judgments": [{"question_id": 81}]}, "single.jsonl:1: column 'model' is missing"),
        ({"judgments": [judgment(81, "llama-13b", 3, 1)]}, "single.jsonl:1: column 'turn' must be 1 or 2, not 3"),
        (
            {"judgments": [judgment(81, "llama-13b", [1], 1)]},
            r"single.jsonl:1: column 'turn' must be 1 or 2, not \[1\]",
        ),
        (
            {"judgments": [judgment(81, "llama-13b", 1, "8")]},
            "single.jsonl:1: column 'score' must be a number, not '8'",
        ),
        (
            {"answers": [answer(81)]},
            "vicuna-13b.jsonl:1: column 'choices' must begin with an object whose 'turns' are 2",
        ),
        ({"answers": [answer(81, "One.")]}, "vicuna-13b.jsonl:1: column 'choices' must begin with an object whose"),
        ({"answers": [{"question_id": 81}]}, "vicuna-13b.jsonl:1: column 'choices' must hold a list of objects"),
        ({"answers": [ANSWERS[0], ANSWERS[0]]}, "vicuna-13b.jsonl:2: there is a second row for mt_bench-81"),
        ({"answers": ANSWERS[:1]}, "vicuna-13b.jsonl has no answer to mt_bench-111, which vicuna-13b is judged on"),
    ],
)
def test_a_bad_judgment_is_named(tmp_path: Path, changed: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        graded(judged(tmp_path, **changed))
