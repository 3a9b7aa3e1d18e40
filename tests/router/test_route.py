"""Routing files."""

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests import tiny_models
from zooter_ray.errors import ArtifactError, DataError
from zooter_ray.router import route
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.router.route import route_file

EXPERTS = ["vicuna", "llama", "wizard"]
ROWS = [
    {"query_id": "b", "query": "What is the capital of France?", "tags": ["geography"]},
    {"query_id": "a", "query": "Name a red fruit."},
    {"query_id": "ü", "query": "def add(a, b): return a + b " * 8},
    {"query_id": "a", "query": "?"},
]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> RouterPredictor:
    return RouterPredictor(tiny_models.save_router(tmp_path_factory.mktemp("router"), EXPERTS))


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return str(path)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def assert_routed(found: list[dict[str, Any]], predictor: RouterPredictor) -> None:
    """One row out per row in, in order, with the predictor's probabilities and its choice."""
    assert [row["query_id"] for row in found] == ["b", "a", "ü", "a"]
    expected_QM = predictor([row["query"] for row in ROWS])
    assert [list(row["probabilities"]) for row in found] == [EXPERTS] * 4
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in found], expected_QM, atol=1e-6)
    assert [row["expert"] for row in found] == [EXPERTS[choice] for choice in expected_QM.argmax(axis=1)]


def test_each_row_is_routed_in_order(predictor: RouterPredictor, tmp_path: Path) -> None:
    queries = write(tmp_path / "queries.jsonl", ROWS)
    assert list(route_file(predictor, queries, str(tmp_path / "new" / "routed.jsonl"))) == [4]
    assert_routed(read(tmp_path / "new" / "routed.jsonl"), predictor)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["routed.jsonl"]


@pytest.mark.parametrize("suffix", ["jsonl.gz", "parquet"])
def test_gzip_and_parquet_are_routed_like_json_lines(predictor: RouterPredictor, tmp_path: Path, suffix: str) -> None:
    queries = tmp_path / f"queries.{suffix}"
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), queries)
    else:
        queries.write_bytes(gzip.compress(Path(write(tmp_path / "queries.jsonl", ROWS)).read_bytes()))
    list(route_file(predictor, str(queries), str(tmp_path / "routed.jsonl")))
    assert_routed(read(tmp_path / "routed.jsonl"), predictor)


def test_no_file_takes_the_place_of_a_device_or_of_the_queries(predictor: RouterPredictor, tmp_path: Path) -> None:
    queries, pipe = write(tmp_path / "queries.jsonl", ROWS), tmp_path / "pipe"
    os.mkfifo(pipe)
    heard: list[str] = []
    listener = threading.Thread(target=lambda: heard.extend(pipe.read_text().splitlines()), daemon=True)
    listener.start()
    assert sum(route_file(predictor, queries, str(pipe))) == 4
    listener.join(10)
    assert pipe.is_fifo()
    assert len(heard) == 4
    with pytest.raises(ArtifactError, match=r"queries\.jsonl: the output would take the place of the queries"):
        list(route_file(predictor, queries, queries))
    assert len(Path(queries).read_text().splitlines()) == 4


def test_standard_output_that_is_a_file_is_not_taken_for_one(tmp_path: Path) -> None:
    code = "from zooter_ray.artifacts import is_device; is_device('/dev/stdout')"
    with (tmp_path / "log").open("w") as log:
        ended = subprocess.run([sys.executable, "-c", code], stdout=log, stderr=subprocess.PIPE, text=True, check=False)
    assert f"ArtifactError: cannot write /dev/stdout: it leads to {tmp_path}/log; name a file" in ended.stderr


def test_an_output_that_is_named_parquet_is_parquet(predictor: RouterPredictor, tmp_path: Path) -> None:
    queries = write(tmp_path / "queries.jsonl", ROWS)
    assert sum(route_file(predictor, queries, str(tmp_path / "routed.parquet"))) == 4
    assert_routed(pq.read_table(tmp_path / "routed.parquet").to_pylist(), predictor)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_are_routed_some_at_a_time_and_come_out_all_the_same(
    predictor: RouterPredictor, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route, "ROWS_TOGETHER", 3)
    output = tmp_path / f"routed.{suffix}"
    assert list(route_file(predictor, write(tmp_path / "queries.jsonl", ROWS), str(output))) == [3, 1]
    assert_routed(read(output) if suffix == "jsonl" else pq.read_table(output).to_pylist(), predictor)


def test_a_row_without_an_id_gets_its_number_and_a_number_becomes_text(
    predictor: RouterPredictor, tmp_path: Path
) -> None:
    queries = write(tmp_path / "queries.jsonl", [{"query": "Hi."}, {"query_id": 7, "query": "Hi."}, {"query": "Hi."}])
    list(route_file(predictor, queries, str(tmp_path / "routed.jsonl")))
    assert [row["query_id"] for row in read(tmp_path / "routed.jsonl")] == ["0", "7", "2"]


def test_a_row_whose_id_is_null_gets_its_number(predictor: RouterPredictor, tmp_path: Path) -> None:
    pq.write_table(pa.table({"query_id": [None, "b"], "query": ["Hi.", "Hi."]}), tmp_path / "queries.parquet")
    list(route_file(predictor, str(tmp_path / "queries.parquet"), str(tmp_path / "routed.jsonl")))
    assert [row["query_id"] for row in read(tmp_path / "routed.jsonl")] == ["0", "b"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_no_rows_in_are_no_rows_out(predictor: RouterPredictor, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"routed.{suffix}"
    assert list(route_file(predictor, write(tmp_path / "queries.jsonl", []), str(output))) == []
    assert (read(output) if suffix == "jsonl" else pq.read_table(output).to_pylist()) == []


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ({"query_id": "c"}, "`query` must be a text"),
        ({"query_id": "c", "query": ["Hi."]}, "`query` must be a text"),
        ({"query_id": "c\ud83d", "query": "Hi."}, "`query_id` holds half a surrogate pair, which is no text"),
        ('{"query_id": ', "malformed JSON"),
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_bad_row_is_named_and_leaves_no_output(
    predictor: RouterPredictor,
    tmp_path: Path,
    suffix: str,
    bad: object,
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(route, "ROWS_TOGETHER", 2)  # some rows are written before the bad one is met
    output = tmp_path / "out" / f"routed.{suffix}"
    with pytest.raises(DataError, match=rf"queries\.jsonl:5: {complaint}"):
        list(route_file(predictor, write(tmp_path / "queries.jsonl", [*ROWS, bad]), str(output)))
    assert list(output.parent.iterdir()) == []


def test_a_bad_row_leaves_an_earlier_output_as_it_was(predictor: RouterPredictor, tmp_path: Path) -> None:
    (tmp_path / "routed.jsonl").write_text("from before")
    with pytest.raises(DataError):
        list(route_file(predictor, write(tmp_path / "queries.jsonl", ["{"]), str(tmp_path / "routed.jsonl")))
    assert (tmp_path / "routed.jsonl").read_text() == "from before"


def test_a_missing_file_of_queries_is_named(predictor: RouterPredictor, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.jsonl does not exist"):
        list(route_file(predictor, str(tmp_path / "nothing.jsonl"), str(tmp_path / "routed.jsonl")))
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_named(predictor: RouterPredictor, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here first")
    with pytest.raises(ArtifactError, match=r"^cannot write .*routed\.jsonl: a "):
        list(route_file(predictor, write(tmp_path / "q.jsonl", ROWS), str(tmp_path / "file" / "routed.jsonl")))


def test_odd_queries_are_routed_like_any_other(predictor: RouterPredictor, tmp_path: Path) -> None:
    odd = ["", "  ", "🍎", "מהי בירת צרפת?", "\x00\x07\x1b\r\n", "red \ud83d apple", "name a red fruit " * 61_681]
    rows: list[Any] = [{"query": query} for query in odd]
    started = time.process_time()
    assert sum(route_file(predictor, write(tmp_path / "queries.jsonl", rows), str(tmp_path / "routed.jsonl"))) == 7
    assert time.process_time() - started < 0.9
    found = read(tmp_path / "routed.jsonl")
    assert [row["query_id"] for row in found] == list("0123456")
    expected_QM = predictor(odd)
    np.testing.assert_allclose([list(row["probabilities"].values()) for row in found], expected_QM, atol=1e-6)
