"""Queries out of files and out of the demo set."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooter_ray.config.queries import DemoSetSource, FileSource
from zooter_ray.errors import DataError
from zooter_ray.queries.sources import made_id, made_split, read_source
from zooter_ray.schemas import QUERIES

REFERENCE = {"check": "number", "answer": "4"}
ROWS: list[dict[str, Any]] = [
    {
        "query_id": "a",
        "query": "What is 2 + 2?",
        "subset": "sums",
        "labels": ["maths", "sums", "maths"],
        "set": "eval",
        "gold": REFERENCE,
    },
    {"query_id": "b", "query": "Name a fruit.", "subset": "food", "labels": [], "set": "train", "gold": None},
]
COLUMNS = {
    "source_column": "subset",
    "tags_column": "labels",
    "split_column": "set",
    "reference_column": "gold",
}


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return str(path)


def read(path: str, eval_share: float = 0.0, **settings: Any) -> list[dict[str, Any]]:
    return list(read_source(FileSource(path=path, name="mine", **settings), seed=0, eval_share=eval_share))


def refused(path: Path, rows: list[Any], **settings: Any) -> str:
    with pytest.raises(DataError) as raised:
        read(write(path, rows), **settings)
    return str(raised.value).replace(f"{path.parent}/", "")


# What is read


def test_a_file_needs_no_more_than_ids_and_queries(tmp_path: Path) -> None:
    assert read(write(tmp_path / "q.jsonl", ROWS)) == [
        {"query_id": "a", "query": "What is 2 + 2?", "source": "mine", "tags": [], "split": "train", "reference": None},
        {"query_id": "b", "query": "Name a fruit.", "source": "mine", "tags": [], "split": "train", "reference": None},
    ]


def test_named_columns_hold_source_tags_split_and_reference(tmp_path: Path) -> None:
    first, second = read(write(tmp_path / "q.jsonl", ROWS), **COLUMNS)
    assert json.loads(first.pop("reference")) == REFERENCE
    assert first == {
        "query_id": "a",
        "query": "What is 2 + 2?",
        "source": "sums",
        "tags": ["maths", "sums"],
        "split": "eval",
    }
    assert second == {
        "query_id": "b",
        "query": "Name a fruit.",
        "source": "food",
        "tags": [],
        "split": "train",
        "reference": None,
    }


def test_gzip_and_parquet_hold_the_same_rows_as_json_lines(tmp_path: Path) -> None:
    plain = read(write(tmp_path / "q.jsonl", ROWS), **COLUMNS)
    (tmp_path / "q.jsonl.gz").write_bytes(gzip.compress((tmp_path / "q.jsonl").read_bytes()))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "q.parquet")
    assert read(str(tmp_path / "q.jsonl.gz"), **COLUMNS) == plain
    assert read(str(tmp_path / "q.parquet"), **COLUMNS) == plain


def test_rows_fit_the_table_that_the_stage_hands_on(tmp_path: Path) -> None:
    rows = read(write(tmp_path / "q.jsonl", ROWS), **COLUMNS)
    assert pa.Table.from_pylist(rows, schema=QUERIES).to_pylist() == rows


def test_a_reference_may_be_json_text_or_an_object(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "gold": json.dumps(REFERENCE)}, {**ROWS[0], "gold": REFERENCE}]
    first, second = read(write(tmp_path / "q.jsonl", rows), reference_column="gold")
    assert json.loads(first["reference"]) == json.loads(second["reference"]) == REFERENCE


def test_ids_may_be_whole_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", [{"number": 0, "query": "Hi."}])
    assert read(path, id_column="number")[0]["query_id"] == "0"


def test_the_query_may_stand_in_any_column(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", [{"query_id": "a", "question": "Hi."}])
    assert read(path, query_column="question")[0]["query"] == "Hi."


# What is made


def test_without_an_id_column_the_id_follows_from_source_and_text(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", ROWS)
    made = [row["query_id"] for row in read(path, id_column=None)]
    assert made == [made_id("mine", "What is 2 + 2?"), made_id("mine", "Name a fruit.")]
    assert len(set(made)) == 2
    assert [row["query_id"] for row in read(path, id_column=None, source_column="subset")] == [
        made_id("sums", "What is 2 + 2?"),
        made_id("food", "Name a fruit."),
    ]


def test_without_a_split_column_a_share_of_the_rows_is_held_out_by_id(tmp_path: Path) -> None:
    path = write(tmp_path / "q.jsonl", [{"query_id": f"q{n}", "query": "Hi."} for n in range(1000)])
    rows = read(path, eval_share=0.3)
    assert [row["split"] for row in rows].count("eval") == pytest.approx(300, abs=60)
    assert all(row["split"] == made_split(row["query_id"], 0, 0.3) for row in rows)
    assert {row["split"] for row in read(path, eval_share=0.0)} == {"train"}


def test_a_larger_share_holds_out_what_a_smaller_one_holds_out_and_more() -> None:
    ids = [f"q{n}" for n in range(300)]
    small, large = ({q for q in ids if made_split(q, 0, share) == "eval"} for share in (0.1, 0.4))
    assert small < large


def test_a_row_without_a_split_of_its_own_gets_one(tmp_path: Path) -> None:
    rows = [{"query_id": f"q{n}", "query": "Hi.", "set": None if n else "eval"} for n in range(20)]
    splits = [row["split"] for row in read(write(tmp_path / "q.jsonl", rows), split_column="set")]
    assert splits == ["eval"] + ["train"] * 19


# What is refused


@pytest.mark.parametrize("query", [None, "", " \n"])
def test_a_query_must_be_a_text_that_is_not_empty(tmp_path: Path, query: object) -> None:
    message = refused(tmp_path / "q.jsonl", [ROWS[0], {"query_id": "c", "query": query}])
    assert message == "q.jsonl:2: column 'query' must be a text that is not empty"


@pytest.mark.parametrize("query_id", [None, "", True, 1.5, ["a"]])
def test_an_id_that_is_none_names_row_and_column_and_what_to_do(tmp_path: Path, query_id: object) -> None:
    message = refused(tmp_path / "q.jsonl", [ROWS[0], {"query_id": query_id, "query": "Hi."}])
    assert message == "q.jsonl:2: column 'query_id' must hold a text; set it to null in the config if there is none"


def test_a_source_column_that_a_row_lacks_is_named(tmp_path: Path) -> None:
    message = refused(tmp_path / "q.jsonl", [ROWS[0], {"query_id": "c", "query": "Hi."}], source_column="subset")
    assert message.startswith("q.jsonl:2: column 'subset' must hold a text")


@pytest.mark.parametrize("tags", ["maths", [1], {"maths": 1}])
def test_tags_are_a_list_of_texts(tmp_path: Path, tags: object) -> None:
    message = refused(tmp_path / "q.jsonl", [{**ROWS[0], "labels": tags}], tags_column="labels")
    assert message == "q.jsonl:1: column 'labels' must hold a list of texts"


@pytest.mark.parametrize("settings", [{}, {"source_column": "subset"}, {"tags_column": "labels"}])
def test_half_a_surrogate_pair_is_no_text(tmp_path: Path, settings: dict[str, str]) -> None:
    (column,) = settings.values() or ["query_id"]
    value: object = ["a\ud800"] if column == "labels" else "a\ud800"
    message = refused(tmp_path / "q.jsonl", [ROWS[1], {**ROWS[0], column: value}], **settings)
    assert message == f"q.jsonl:2: `{column}` holds half a surrogate pair, which is no text"


@pytest.mark.parametrize("split", ["test", "validation", "", 1])
def test_a_split_is_train_or_eval(tmp_path: Path, split: object) -> None:
    message = refused(tmp_path / "q.jsonl", [{**ROWS[0], "set": split}], split_column="set")
    assert message == f"q.jsonl:1: column 'set' must be train or eval, not {split!r}"


@pytest.mark.parametrize("reference", ["no json", {"check": "magic"}, {"check": "number", "answer": "four"}, 4])
def test_a_reference_that_cannot_be_checked_names_the_row(tmp_path: Path, reference: object) -> None:
    message = refused(tmp_path / "q.jsonl", [ROWS[1], {**ROWS[0], "gold": reference}], reference_column="gold")
    assert message.startswith("q.jsonl:2: the reference is wrong")


def test_malformed_json_names_file_and_line(tmp_path: Path) -> None:
    assert refused(tmp_path / "q.jsonl", [ROWS[0], "", '{"query_id": ']).startswith("q.jsonl:3: malformed JSON")


def test_parquet_rows_are_named_too(tmp_path: Path) -> None:
    pq.write_table(pa.table({"query_id": ["a", "b"], "query": ["Hi.", None]}), tmp_path / "q.parquet")
    with pytest.raises(DataError, match=r"q\.parquet:row 2: column 'query' must be a text that is not empty$"):
        read(str(tmp_path / "q.parquet"))


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.jsonl does not exist$"):
        read(str(tmp_path / "nothing.jsonl"))


# The demo set


def test_the_demo_set_is_read_like_any_other_source_and_brings_its_own_splits() -> None:
    rows = list(read_source(DemoSetSource(), seed=0, eval_share=0.0))
    assert pa.Table.from_pylist(rows, schema=QUERIES).num_rows == len(rows) > 100
    assert {row["split"] for row in rows} == {"train", "eval"}
    assert rows == list(read_source(DemoSetSource(), seed=0, eval_share=0.9))
