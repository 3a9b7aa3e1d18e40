"""Simulated experts."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.config.generation import DummyEngine
from zooter_ray.grading import grade, parse_reference
from zooter_ray.simulation import log_request, right_answer, simulate

NUMBER = json.dumps({"check": "number", "answer": "4"})


def answers(engine: DummyEngine, expert: str = "llama", source: str = "maths", count: int = 400) -> list[str]:
    return [simulate(engine, expert, f"Query {n}", source, NUMBER, 0, 64).text for n in range(count)]


@settings(deadline=None)  # the machine may be busy
@given(st.text(min_size=1), st.integers(0, 3), st.integers(0, 9))
def test_the_same_arguments_give_the_same_response(query: str, sample: int, seed: int) -> None:
    engine = DummyEngine(accuracy={"*": 0.5}, failure_rate=0.2, seed=seed)
    first = simulate(engine, "llama", query, "maths", NUMBER, sample, 64)
    assert simulate(engine, "llama", query, "maths", NUMBER, sample, 64) == first


def test_accuracy_is_the_share_of_queries_that_are_answered_with_their_reference() -> None:
    right = answers(DummyEngine(accuracy={"maths": 0.25, "*": 1.0})).count("4")
    assert right == pytest.approx(100, abs=30)
    assert answers(DummyEngine(accuracy={"maths": 1.0})) == ["4"] * 400
    assert answers(DummyEngine(accuracy={"maths": 0.0})) == ["llama does not know."] * 400


def test_a_source_without_an_accuracy_has_that_of_the_star_or_else_none() -> None:
    assert (
        answers(DummyEngine(accuracy={"maths": 1.0, "*": 0.0}), source="code", count=5) == ["llama does not know."] * 5
    )
    assert answers(DummyEngine(accuracy={"*": 1.0}), source="code", count=5) == ["4"] * 5
    assert answers(DummyEngine(), source="code", count=5) == ["llama does not know."] * 5


def test_experts_seeds_and_samples_are_right_on_different_queries() -> None:
    half = DummyEngine(accuracy={"*": 0.5})
    assert answers(half) != answers(half, expert="vicuna")
    assert answers(half) != answers(DummyEngine(accuracy={"*": 0.5}, seed=1))
    samples = {simulate(half, "llama", "Query", "maths", NUMBER, sample, 64).text for sample in range(20)}
    assert samples == {"4", "llama does not know."}


def test_failure_rate_is_the_share_of_queries_that_fail() -> None:
    engine = DummyEngine(failure_rate=0.25, accuracy={"*": 1.0})
    responses = [simulate(engine, "llama", f"Query {n}", "maths", NUMBER, 0, 64) for n in range(400)]
    failed = [response for response in responses if response.error]
    assert len(failed) == pytest.approx(100, abs=30)
    assert {response.error for response in failed} == {"simulated failure"}
    assert {response.text for response in failed} == {""}


def test_time_is_that_of_the_first_token_and_of_each_further_one() -> None:
    engine = DummyEngine(first_token_s=0.5, per_token_s=0.1, tokens=11)
    response = simulate(engine, "llama", "two words", "maths", None, 0, max_tokens=64)
    assert response.seconds == pytest.approx(0.5 + 10 * 0.1)
    assert (response.prompt_tokens, response.generated_tokens, response.finish_reason) == (2, 11, "stop")


def test_a_response_of_more_than_max_tokens_is_cut() -> None:
    engine = DummyEngine(first_token_s=0.5, per_token_s=0.1, tokens=11)
    response = simulate(engine, "llama", "two words", "maths", None, 0, max_tokens=5)
    assert response.seconds == pytest.approx(0.5 + 4 * 0.1)
    assert (response.generated_tokens, response.finish_reason) == (5, "length")


@pytest.mark.parametrize(
    "reference",
    [
        {"check": "number", "answer": "-3.5"},
        {"check": "choice", "answer": "B", "choices": ["red", "blue"]},
        {"check": "exact", "answer": "New York"},
        {"check": "contains", "answers": ["Anna", "Bert"], "mode": "all"},
        {"check": "contains", "answers": ["Anna", "Bert"], "mode": "any"},
    ],
    ids=lambda reference: reference["check"],
)
def test_the_right_answer_passes_the_references_check_and_the_wrong_one_does_not(reference: dict[str, object]) -> None:
    text = json.dumps(reference)
    assert grade(right_answer(text), parse_reference(text)) == 1.0
    wrong = simulate(DummyEngine(), "llama", "Query", "maths", text, 0, 64).text
    assert grade(wrong, parse_reference(text)) == 0.0


def test_requests_are_logged_one_line_each(tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    log_request(str(log), "llama a")
    log_request(str(log), "llama b")
    assert log.read_text() == "llama a\nllama b\n"
