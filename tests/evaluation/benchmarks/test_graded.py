"""MMLU, GSM8K and HumanEval: published files, zero-shot prompts, and answers graded against the references."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.benchmarks.published import DOUBLE, GSM8K, HUMAN_EVAL, MMLU, lines, mmlu_directory
from zooter_ray.config import benchmarks as config
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks import BenchmarkQuery, load
from zooter_ray.grading import grade, parse_reference

FILE = Path(os.environ.get("ZOOTER_PUBLIC_DATA", "/nonexistent")) / "benchmarks/gsm8k/test.jsonl"


def graded(query: BenchmarkQuery, response: str) -> float:
    assert query.reference is not None
    return grade(response, parse_reference(query.reference))


# MMLU


def test_mmlu_is_read_subject_by_subject_and_routed_on_the_question_with_its_options(tmp_path: Path) -> None:
    queries = load(config.MMLU(path=mmlu_directory(tmp_path / "test")))
    assert [query.query_id for query in queries] == [
        "mmlu-astronomy-1", "mmlu-astronomy-2", "mmlu-high_school_geography-1",
    ]  # fmt: skip
    assert {query.sources for query in queries} == {("benchmarks/mmlu",)}
    geography = queries[2]
    assert geography.query == "Which is a river?\nA. Bonn\nB. Rhine\nC. Alps\nD. Sun"
    (prompt,) = geography.turns
    assert prompt.endswith(geography.query)
    assert "high school geography" in prompt
    # Quotation marks, commas and new lines in fields are the CSV format's.
    assert queries[1].query == '"Moon", is it\nA. 1\nB. 2,5\nC. 3\nor 4\nD. 5'


def test_blank_lines_and_hidden_files_are_none_of_mmlus(tmp_path: Path) -> None:
    directory = Path(mmlu_directory(tmp_path / "test"))
    before = load(config.MMLU(path=str(directory)))
    (directory / "._astronomy_test.csv").write_bytes(b"\0\5")
    geography = directory / "high_school_geography_test.csv"
    geography.write_text(f"\n{geography.read_text()}\n\n")
    assert load(config.MMLU(path=str(directory))) == before


def test_mmlu_wants_the_letter_of_the_right_option(tmp_path: Path) -> None:
    geography = load(config.MMLU(path=mmlu_directory(tmp_path / "test")))[2]
    responses = {"B": 1.0, "The answer is (B) Rhine.": 1.0, "Rhine": 1.0, "C": 0.0, "A or B": 0.0, "": 0.0}
    assert {response: graded(geography, response) for response in responses} == responses


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            ["Q?", "1", "2", "3", "A"],
            r"law_test.csv:row 1: 6 columns are needed \(question, A, B, C, D, answer\), not 5",
        ),
        (["Q?", "1", "2", "3", "4", "E"], "law_test.csv:row 1: the answer must be A, B, C or D, not 'E'"),
        (["Q?", "1", "2", "", "4", "A"], "law_test.csv:row 1: the question or one of its options is empty"),
    ],
)
def test_a_bad_row_of_mmlu_is_named(tmp_path: Path, row: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(config.MMLU(path=mmlu_directory(tmp_path / "test", {"law": [row]})))


def test_a_directory_without_mmlus_files_is_named(tmp_path: Path) -> None:
    for path in (str(tmp_path), str(tmp_path / "nowhere"), lines(tmp_path / "file.csv", [])):
        with pytest.raises(DataError, match=r"is no directory with files called SUBJECT_test.csv"):
            load(config.MMLU(path=path))


# GSM8K


def test_gsm8k_is_routed_on_the_problem_and_wants_the_number_behind_the_mark(tmp_path: Path) -> None:
    apples, pears = load(config.GSM8K(path=lines(tmp_path / "test.jsonl", GSM8K)))
    assert (apples.query_id, apples.query, apples.sources) == ("gsm8k-0", GSM8K[0]["question"], ("benchmarks/gsm8k",))
    assert apples.turns[0].startswith(f"{apples.query}\n\n")
    assert "####" in apples.turns[0]
    assert [graded(apples, text) for text in ("#### 1002", "So the answer is 1,002.", "#### 1003")] == [1.0, 1.0, 0.0]
    assert [graded(pears, text) for text in ("5 - 1 = 4", "four", "5")] == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"answer": "4"}, "test.jsonl:1: column 'answer' must end in `####` and a number"),
        ({"answer": "#### four"}, "test.jsonl:1: column 'answer' must end in `####` and a number"),
        ({"question": None}, "test.jsonl:1: `question` must be a text that is not empty"),
    ],
)
def test_a_bad_row_of_gsm8k_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(config.GSM8K(path=lines(tmp_path / "test.jsonl", [GSM8K[0] | row])))


@pytest.mark.data
@pytest.mark.skipif(not FILE.is_file(), reason="ZOOTER_PUBLIC_DATA names no data")
def test_the_published_solutions_of_gsm8k_are_right() -> None:
    queries = load(config.GSM8K(path=str(FILE)))
    assert len(queries) == 1319
    assert all(graded(query, f"#### {parse_reference(query.reference or '').answer}") == 1.0 for query in queries[::40])  # type: ignore[union-attr]


# HumanEval


@pytest.fixture
def double(tmp_path: Path) -> BenchmarkQuery:
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(gzip.compress(Path(lines(tmp_path / "plain.jsonl", HUMAN_EVAL)).read_bytes()))
    (query,) = load(config.HumanEval(path=str(path)))
    return query


def test_human_eval_is_routed_on_the_published_prompt_and_asks_for_the_whole_function(double: BenchmarkQuery) -> None:
    assert (double.query_id, double.query, double.sources) == ("human_eval-7", DOUBLE, ("benchmarks/human_eval",))
    assert DOUBLE.strip() in double.turns[0]


WHOLE = "```python\ndef double(xs: List[int]) -> List[int]:\n    return [2 * x for x in xs]\n```"


@pytest.mark.parametrize(
    ("response", "passes"),
    [
        (WHOLE, 1.0),  # without the import, which the prompt has
        (WHOLE.replace("2 * x", "int(half(4 * x))"), 1.0),  # a function of the prompt
        ("    return [2 * x for x in xs]\n", 1.0),  # the canonical solution: the rest of the body
        ("    return [2 * x for x in xs]\n\nThat doubles them.", 1.0),
        ("```python\n    return [2 * x for x in xs]\n```", 1.0),
        (WHOLE.replace("2 * x", "3 * x"), 0.0),
        ("I cannot do that.", 0.0),
        ("", 0.0),
    ],
)
def test_human_eval_runs_the_published_tests(double: BenchmarkQuery, response: str, passes: float) -> None:
    assert graded(double, response) == passes


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"test": "def check(candidate:"}, "plain.jsonl:1: tests are not valid Python"),
        ({"entry_point": "a b"}, "plain.jsonl:1: entry_point should be the name of a function, not 'a b'"),
        ({"prompt": ""}, "plain.jsonl:1: `prompt` must be a text that is not empty"),
    ],
)
def test_a_bad_row_of_human_eval_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(config.HumanEval(path=lines(tmp_path / "plain.jsonl", [HUMAN_EVAL[0] | row])))


def test_the_subjects_of_mmlu_are_one_subset(tmp_path: Path) -> None:
    assert len(MMLU) == 2
    queries = load(config.MMLU(path=mmlu_directory(tmp_path / "test")))
    assert {source for query in queries for source in query.sources} == {"benchmarks/mmlu"}
