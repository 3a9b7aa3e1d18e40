"""MT-Bench: two turns, routed on the first, graded one by one with the published prompts."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.benchmarks.published import JUDGE_PROMPTS, QUESTIONS, REFERENCES, mt_bench
from zooter_ray.config.benchmarks import MTBench
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks import BenchmarkQuery, load
from zooter_ray.evaluation.benchmarks.mt_bench import SUBSETS, verdict
from zooter_ray.evaluation.judges import asked

DATA = Path(os.environ.get("ZOOTER_PUBLIC_DATA", "/nonexistent")) / "benchmarks/mt_bench"


def queries(directory: Path, **changed: list[Any]) -> list[BenchmarkQuery]:
    return load(MTBench.model_validate(mt_bench(directory, **changed)))


def test_what_is_routed_is_the_first_turn_and_both_are_asked(tmp_path: Path) -> None:
    writing, _ = queries(tmp_path)
    assert (writing.query_id, writing.query, writing.sources) == ("mt_bench-81", "Write a line.", ("mt_bench/writing",))
    assert writing.turns == ("Write a line.", "Write it again.")


def test_each_turn_has_the_published_prompt_and_math_has_the_reference(tmp_path: Path) -> None:
    writing, math = queries(tmp_path)
    texts = [asked(question, ["one", "two"]) for query in (writing, math) for question in query.questions]
    assert texts == [
        "Rate one. Q: Write a line. A: one",
        "Rate two. Q: Write a line. A: one Q: Write it again. A: two",
        "Rate one. Q: What is 1 + 1? R: It is 2. A: one",
        "Rate two. Q: What is 1 + 1? R: It is 2. A: one Q: And twice that? R: It is 4. A: two",
    ]
    assert [question.system for question in math.questions] == ["Be fair.", "Judge the second."]


def test_a_verdict_is_a_rating_from_1_to_10(tmp_path: Path) -> None:
    writing, _ = queries(tmp_path)
    assert [verdict(writing, f"Rating: [[{rating}]]") for rating in (1, 10, 11)] == [1.0, 10.0, None]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"path": [QUESTIONS[0] | {"category": "magic"}]}, "path.jsonl:1: 'magic' is no subset of the benchmark"),
        ({"path": [QUESTIONS[0] | {"turns": ["One."]}]}, "path.jsonl:1: column 'turns' must hold 2 turns, not 1"),
        ({"path": [{"category": "math"}]}, "path.jsonl:1: column 'question_id' is missing"),
        ({"references": []}, "references.jsonl has no reference answer to question 111"),
        ({"references": [{"question_id": 111}]}, "references.jsonl:1: column 'choices' must hold a list of objects"),
        ({"judge_prompts": JUDGE_PROMPTS[:3]}, "judge_prompts.jsonl has no judge prompt called single-math-v1-multi"),
        ({"judge_prompts": [{"name": "single-v1"}]}, "judge_prompts.jsonl:1: column 'system_prompt' is missing"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, changed: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        queries(tmp_path, **changed)


def test_only_math_reasoning_and_coding_need_a_reference(tmp_path: Path) -> None:
    assert len(queries(tmp_path, path=QUESTIONS[:1], references=REFERENCES[:0])) == 1


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="ZOOTER_PUBLIC_DATA names no data")
def test_the_published_files_make_ten_queries_of_each_of_eight_categories_and_fill_every_place() -> None:
    found = load(
        MTBench(
            path=str(DATA / "question.jsonl"),
            references=str(DATA / "reference_answer_gpt-4.jsonl"),
            judge_prompts=str(DATA / "judge_prompts.jsonl"),
        )
    )
    assert Counter(source for query in found for source in query.sources) == {
        f"mt_bench/{name}": 10 for name in SUBSETS
    }
    for query in found:
        first, second = (asked(question, ["<one>", "<two>"]) for question in query.questions)
        assert all(part in first for part in (query.turns[0], "<one>"))
        assert all(part in second for part in (*query.turns, "<one>", "<two>"))
        assert not [name for name in ("{question", "{answer", "{ref_answer") if name in first + second]
        graded = query.sources[0] in ("mt_bench/math", "mt_bench/reasoning", "mt_bench/coding")
        assert ("Reference Answer" in first) == ("Reference Answer" in second) == graded
