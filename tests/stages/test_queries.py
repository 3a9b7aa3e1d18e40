import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from zooter_ray.artifacts import is_complete, read_manifest, read_table
from zooter_ray.config import RunConfig
from zooter_ray.config.queries import QueriesConfig
from zooter_ray.errors import DataError, StageError
from zooter_ray.schemas import QUERIES, REJECTED
from zooter_ray.stages import queries

pytestmark = pytest.mark.usefixtures("ray_session")


def file_config(path: Path, **settings: Any) -> QueriesConfig:
    return QueriesConfig.model_validate({"sources": [{"kind": "file", "name": "mine", "path": str(path)}], **settings})


def write_queries(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(json.dumps({"query_id": f"q{i}", "query": text}) + "\n" for i, text in enumerate(texts)))
    return path


def test_rows_come_out_sorted_tagged_and_with_their_split(config: RunConfig, console: Console) -> None:
    unit = queries.run(config.queries, config.run_dir, console)
    table = read_table(unit.path, QUERIES)
    assert table["query_id"].to_pylist() == sorted(table["query_id"].to_pylist())
    assert table["split"].to_pylist().count("eval") == 12
    assert all("arithmetic" in row["tags"] for row in table.to_pylist() if row["source"] == "sums")
    assert is_complete(unit)
    assert read_manifest(unit)["rows_out"] == 36


def test_a_complete_unit_is_not_made_again_until_its_file_changes(
    config: RunConfig, console: Console, queries_file: Path
) -> None:
    first = queries.run(config.queries, config.run_dir, console)
    made = Path(first.path, "manifest.json").stat().st_mtime_ns
    assert queries.run(config.queries, config.run_dir, console) == first
    assert Path(first.path, "manifest.json").stat().st_mtime_ns == made
    queries_file.write_text(queries_file.read_text().replace("thing 5", "thing five"))
    assert queries.run(config.queries, config.run_dir, console).path != first.path


def test_contaminated_queries_are_kept_apart_with_the_match(tmp_path: Path, console: Console) -> None:
    source = write_queries(tmp_path / "q.jsonl", ["one two three four five six seven", "a clean query"])
    benchmark = write_queries(tmp_path / "b.jsonl", ["zero, ONE two three four five six!"])
    config = file_config(
        source, decontamination={"benchmarks": [{"kind": "file", "name": "bench", "path": str(benchmark)}]}
    )
    unit = queries.run(config, str(tmp_path / "run"), console)
    assert read_table(unit.path, QUERIES)["query"].to_pylist() == ["a clean query"]
    (rejected,) = read_table(unit.rejected, REJECTED).to_pylist()
    assert rejected["query_id"] == "q0"
    assert rejected["detail"] == "shares 'one two three four five six' with bench/q0"
    assert read_manifest(unit)["dropped"] == {"shares an n-gram with a benchmark": 1}


def test_the_same_rows_are_drawn_however_the_file_is_ordered(tmp_path: Path, console: Console) -> None:
    texts = [f"query number {i}" for i in range(40)]
    path = write_queries(tmp_path / "a.jsonl", texts)
    lines = path.read_text().splitlines(keepends=True)
    shuffled = tmp_path / "b.jsonl"
    shuffled.write_text("".join(reversed(lines)))
    drawn = [
        read_table(queries.run(file_config(p, limit=10), str(tmp_path / p.stem), console).path, QUERIES)["query_id"]
        for p in (path, shuffled)
    ]
    assert len(drawn[0]) == 10
    assert drawn[0].to_pylist() == drawn[1].to_pylist()


def test_a_doubled_id_stops_the_stage_and_nothing_is_complete(tmp_path: Path, console: Console) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"query_id": "x", "query": "a"}\n{"query_id": "x", "query": "b"}\n')
    config = file_config(path)
    with pytest.raises(DataError, match="query_id 'x' stands twice"):
        queries.run(config, str(tmp_path / "run"), console)
    assert not is_complete(queries.unit(config, str(tmp_path / "run")))


def test_malformed_json_in_a_worker_names_file_and_line(tmp_path: Path, console: Console) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"query_id": "x", "query": "a"}\n{"query_id": \n')
    with pytest.raises(DataError, match=r"q\.jsonl:2: malformed JSON"):
        queries.run(file_config(path), str(tmp_path / "run"), console)


def test_no_query_left_is_an_error(tmp_path: Path, console: Console) -> None:
    text = "one two three four five six seven"
    source, benchmark = write_queries(tmp_path / "q.jsonl", [text]), write_queries(tmp_path / "b.jsonl", [text])
    config = file_config(
        source, decontamination={"benchmarks": [{"kind": "file", "name": "bench", "path": str(benchmark)}]}
    )
    with pytest.raises(StageError, match="no query is left of 1"):
        queries.run(config, str(tmp_path / "run"), console)
