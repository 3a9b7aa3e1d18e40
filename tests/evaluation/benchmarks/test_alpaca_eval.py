"""AlpacaEval: published queries, and pairwise verdicts against the reference."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.benchmarks.published import ALPACA_EVAL, lines
from zooter_ray.config.benchmarks import AlpacaEval
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks import BenchmarkQuery, load
from zooter_ray.evaluation.benchmarks.alpaca_eval import SUBSETS, comes_first, verdict
from zooter_ray.evaluation.judges import asked


def published(directory: Path, rows: list[Any] = ALPACA_EVAL) -> str:
    path = directory / "alpaca_eval.json"
    path.write_text(json.dumps(rows))
    return str(path)


def test_queries_are_asked_as_they_are_and_know_their_subset(tmp_path: Path) -> None:
    first, second, _ = load(AlpacaEval(path=published(tmp_path)))
    assert (first.query_id, first.query, first.turns) == ("alpaca_eval-0", "Name a river.", ("Name a river.",))
    assert (first.sources, second.sources) == (("alpaca_eval/koala",), ("alpaca_eval/vicuna",))
    assert len(SUBSETS) == 5


def test_the_judge_sees_the_answer_and_the_references_in_an_order_that_is_the_same_in_every_run(tmp_path: Path) -> None:
    rows = [ALPACA_EVAL[0] | {"instruction": f"Name river {number}."} for number in range(200)]
    queries = load(AlpacaEval(path=published(tmp_path, rows)))
    firsts = []
    for query in queries:
        (question,) = query.questions
        text = asked(question, ["The Ahr."])
        assert text.index(query.query) < text.index("<answer A>")
        firsts.append(text.index("The Ahr.") < text.index("The Rhine."))
        assert firsts[-1] == comes_first(query.query_id)
    assert 70 < sum(firsts) < 130


def test_the_verdict_is_the_experts_whichever_letter_it_has() -> None:
    ids = [f"alpaca_eval-{number}" for number in range(20)]
    first, second = (next(i for i in ids if comes_first(i) is place) for place in (True, False))
    as_a, as_b = (BenchmarkQuery(query_id, "q", ("q",), ()) for query_id in (first, second))
    assert [verdict(as_a, f"[[{letter}]]") for letter in "ABC"] == [1.0, 0.0, 0.5]
    assert [verdict(as_b, f"[[{letter}]]") for letter in "ABC"] == [0.0, 1.0, 0.5]
    assert verdict(as_a, "A wins") is None


def test_the_references_may_come_from_another_file(tmp_path: Path) -> None:
    rows = [{"query_id": "x", "query": "Name a river.", "subset": "koala"}]
    path = lines(tmp_path / "queries.jsonl", rows)
    references = published(tmp_path)
    (query,) = load(AlpacaEval(path=path, references=references))
    assert (query.query_id, query.questions[0].known["reference"]) == ("x", "The Rhine.")
    with pytest.raises(DataError, match=r"queries.jsonl:1: there is no output of the reference; give `references`"):
        load(AlpacaEval(path=path))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"dataset": "alpaca"}, "item 1: 'alpaca' is no subset of the benchmark; those are helpful_base, koala, oasst"),
        ({"instruction": " "}, "item 1: `instruction` must be a text that is not empty"),
        ({"output": 3}, "item 1: there is no output of the reference"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(AlpacaEval(path=published(tmp_path, [ALPACA_EVAL[0] | row])))


def test_a_missing_column_a_double_id_and_an_empty_file_are_named(tmp_path: Path) -> None:
    row = {name: ALPACA_EVAL[0][name] for name in ("instruction", "output")}
    with pytest.raises(DataError, match="item 1: column 'subset' or 'dataset' is missing"):
        load(AlpacaEval(path=published(tmp_path, [row])))
    with pytest.raises(DataError, match=r"alpaca_eval.json: two queries have the id 'x'"):
        load(AlpacaEval(path=published(tmp_path, [ALPACA_EVAL[0] | {"query_id": "x"}] * 2)))
    with pytest.raises(DataError, match=r"alpaca_eval.json has no rows"):
        load(AlpacaEval(path=published(tmp_path, [])))


def test_a_limit_thins_the_file_evenly(tmp_path: Path) -> None:
    rows = [ALPACA_EVAL[0] | {"instruction": f"Name river {number}."} for number in range(10)]
    found = load(AlpacaEval(path=published(tmp_path, rows), limit=3))
    assert [query.query_id for query in found] == ["alpaca_eval-0", "alpaca_eval-3", "alpaca_eval-6"]
    found = load(AlpacaEval(path=published(tmp_path, rows), limit=6))
    assert [query.query_id[-1] for query in found] == ["0", "1", "3", "5", "6", "8"], "up to the end of the file"
    assert len(load(AlpacaEval(path=published(tmp_path, rows), limit=11))) == 10
