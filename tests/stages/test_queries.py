import json
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from tests.tiny_models import save_encoder
from zooter_ray.artifacts import is_complete, parts, read_manifest, read_table
from zooter_ray.config import RunConfig
from zooter_ray.config.queries import QueriesConfig
from zooter_ray.errors import DataError, StageError
from zooter_ray.queries.sampling import draw
from zooter_ray.schemas import QUERIES, REJECTED
from zooter_ray.stages import queries
from zooter_ray.stages.queries.units import clean_unit, tags_unit

pytestmark = pytest.mark.usefixtures("ray_session")


def file_config(path: Path, **settings: Any) -> QueriesConfig:
    return QueriesConfig.model_validate({"sources": [{"kind": "file", "name": "mine", "path": str(path)}], **settings})


def rejected_of(config: QueriesConfig, tmp_path: Path) -> list[dict[str, Any]]:
    """What was taken out before tagging."""
    table = read_table(clean_unit(config, str(tmp_path / "run")).rejected, REJECTED)
    return sorted(table.to_pylist(), key=lambda row: row["query_id"])


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


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
    (rejected,) = rejected_of(config, tmp_path)
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
    with pytest.raises(DataError, match="query_id 'x' stands for two queries"):
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


LONG = [f"w{number}" for number in range(60)]


def messy_rows() -> list[dict[str, Any]]:
    """Rows with exact duplicates, near-duplicates in a chain, a contaminated one, and others."""
    random = Random(0)
    plain = [{"query_id": f"plain/{n:02}", "query": " ".join(random.choices(LONG, k=12))} for n in range(30)]
    copies = [{"query_id": f"copy/{n:02}", "query": row["query"].upper()} for n, row in enumerate(plain[:5])]
    story = [f"s{number}" for number in range(80)]
    near = [{"query_id": f"near/{n}", "query": " ".join([*story[:40], f"x{n}", *story[41:]])} for n in range(4)]
    benchmark = {"query_id": "taken", "query": "please tell me one two three four five six"}
    return [*plain, *copies, *near, benchmark]


def test_duplicates_leave_the_smallest_id_whatever_the_files_and_their_order(tmp_path: Path, console: Console) -> None:
    rows = messy_rows()
    benchmark = write_queries(tmp_path / "b.jsonl", ["one two three four five six"])
    decontamination = {"benchmarks": [{"kind": "file", "name": "bench", "path": str(benchmark)}]}
    tables, rejected = [], []
    for layout, files in {"whole": 1, "split": 7}.items():
        directory = tmp_path / layout
        directory.mkdir()
        Random(files).shuffle(rows)
        for number in range(files):
            write_rows(directory / f"{number}.jsonl", rows[number::files])
        config = file_config(directory / "*.jsonl", decontamination=decontamination)
        unit = queries.run(config, str(directory / "run"), console)
        tables.append(read_table(unit.path, QUERIES).sort_by("query_id").to_pylist())
        rejected.append({(row["query_id"], row["reason"], row["detail"]) for row in rejected_of(config, directory)})
    assert tables[0] == tables[1]
    assert rejected[0] == rejected[1]
    names = [row["query_id"] for row in tables[0]]
    assert names == [*(f"copy/{n:02}" for n in range(5)), "near/0", *(f"plain/{n:02}" for n in range(5, 30))]
    assert ("plain/00", "duplicate", "same text as copy/00") in rejected[0]
    assert ("near/3", "near-duplicate", "much like near/0") in rejected[0]
    assert ("taken", "shares an n-gram with a benchmark", "shares 'one two three four five six' with bench/q0") in (
        rejected[0]
    )
    assert len(rejected[0]) == 5 + 3 + 1


def test_the_same_row_may_stand_twice_and_counts_once(tmp_path: Path, console: Console) -> None:
    path = write_rows(tmp_path / "q.jsonl", [{"query": "a b"}, {"query": "a b"}, {"query": "c"}])
    unit = queries.run(file_config(path, sources=[source(path, id_column=None)]), str(tmp_path / "run"), console)
    assert sorted(read_table(unit.path, QUERIES)["query"].to_pylist()) == ["a b", "c"]
    assert read_manifest(unit)["dropped"] == {"duplicate": 1}


def source(path: Path, **settings: Any) -> dict[str, Any]:
    return {"kind": "file", "name": "mine", "path": str(path), **settings}


def test_duplicates_can_be_kept(tmp_path: Path, console: Console) -> None:
    path = write_queries(tmp_path / "q.jsonl", ["a b", "A b"])
    config = file_config(path, deduplication={"exact": False, "near": None})
    unit = queries.run(config, str(tmp_path / "run"), console)
    assert read_manifest(unit)["rows_out"] == 2


def test_a_conversation_without_a_user_turn_is_set_aside(tmp_path: Path, console: Console) -> None:
    rows = [{"messages": [{"role": role, "content": "Hi"}]} for role in ("user", "assistant")]
    path = write_rows(tmp_path / "q.jsonl", rows)
    config = file_config(path, sources=[source(path, parser="messages", id_column=None)])
    unit = queries.run(config, str(tmp_path / "run"), console)
    assert read_manifest(unit)["dropped"] == {"no query": 1}
    assert [row["reason"] for row in rejected_of(config, tmp_path)] == ["no query"]


def test_so_many_are_drawn_for_each_tag_as_the_plain_function_draws(tmp_path: Path, console: Console) -> None:
    rows = [{"query_id": f"q{n:03}", "query": f"query {n}", "labels": [f"t{n % 7}", f"u{n % 3}"]} for n in range(120)]
    path = write_rows(tmp_path / "q.jsonl", rows)
    config = file_config(
        path, sources=[source(path, tags_column="labels")], tagger={"kind": "column"}, per_tag=4, limit=20, seed=5
    )
    unit = queries.run(config, str(tmp_path / "run"), console)
    expected = draw([(row["query_id"], row["labels"]) for row in rows], 4, 20, 5)
    assert set(read_table(unit.path, QUERIES)["query_id"].to_pylist()) == expected
    assert len(expected) == 20
    assert read_manifest(unit)["dropped"] == {"not drawn": 100}


def test_a_tag_can_be_traced_to_its_spellings(tmp_path: Path, console: Console) -> None:
    labels = [["Web-Design"], ["web design", "rare"], ["Web Design"]]
    rows = [{"query_id": f"q{n}", "query": f"query {n}", "labels": found} for n, found in enumerate(labels)]
    path = write_rows(tmp_path / "q.jsonl", rows)
    config = file_config(
        path, sources=[source(path, tags_column="labels")], tagger={"kind": "column"}, tags={"min_queries": 2}
    )
    unit = queries.run(config, str(tmp_path / "run"), console)
    assert read_table(unit.path, QUERIES)["tags"].to_pylist() == [["web design"]] * 3
    vocabulary = {
        row["raw"]: (row["tag"], row["queries"]) for row in pq.read_table(f"{unit.path}/vocabulary.parquet").to_pylist()
    }
    assert vocabulary == {
        "Web-Design": ("web design", 1), "web design": ("web design", 1), "Web Design": ("web design", 1),
        "rare": (None, 1),
    }  # fmt: skip
    composition = Path(unit.path, "composition.md").read_text()
    assert "| mine | 3 | 3 | 3 |" in composition
    assert "| web design | 3 |" in composition


def test_clusters_are_tags(tmp_path: Path, console: Console) -> None:
    encoder = save_encoder(tmp_path / "encoder")
    texts = [f"What is the capital of France? {n}" for n in range(20)] + [
        f"def add(a, b): return {n}" for n in range(20)
    ]
    path = write_queries(tmp_path / "q.jsonl", texts)
    tagger = {"kind": "clusters", "clusters": 2, "embedder": str(encoder), "fitted_on": 100}
    tagger["resources"] = {"num_cpus": 0.5, "num_gpus": 0.5}
    tags = []
    for run in ("run", "again"):
        unit = queries.run(file_config(path, tagger=tagger), str(tmp_path / run), console)
        table = read_table(unit.path, QUERIES).sort_by("query_id")
        tags.append(dict(zip(table["query"].to_pylist(), table["tags"].to_pylist(), strict=True)))
    assert tags[0] == tags[1]
    cities, codes = ({tags[0][text][0] for text in group} for group in (texts[:20], texts[20:]))
    assert len(cities) == len(codes) == 1
    assert cities != codes

    held_out = write_rows(tmp_path / "eval.jsonl", [{"query_id": "q", "query": "Hi.", "split": "eval"}])
    config = file_config(held_out, sources=[source(held_out, split_column="split")], tagger=tagger)
    with pytest.raises(StageError, match="every query is held out for evaluation"):
        queries.run(config, str(tmp_path / "held out"), console)


def tagged_by_llm(path: Path, log: Path) -> QueriesConfig:
    """A simulated tagger whose replies stand in the rows' references."""
    engine = {"kind": "dummy", "tokens": 4, "accuracy": {"*": 1.0}, "request_log": str(log)}
    return file_config(
        path,
        sources=[source(path, reference_column="gold")],
        tagger={"kind": "instagger", "engine": engine, "block_rows": 4},
    )


def replies(path: Path) -> Path:
    answers = [json.dumps([{"tag": f"Topic {n % 3}", "explanation": "..."}]) if n % 4 else "no idea" for n in range(16)]
    rows = [
        {"query_id": f"q{n:02}", "query": f"query {n}", "gold": {"check": "exact", "answer": answer}}
        for n, answer in enumerate(answers)
    ]
    return write_rows(path, rows)


def test_an_llm_tags_and_its_failures_are_counted(tmp_path: Path, console: Console) -> None:
    config = tagged_by_llm(replies(tmp_path / "q.jsonl"), tmp_path / "log")
    unit = queries.run(config, str(tmp_path / "run"), console)
    table = read_table(unit.path, QUERIES).sort_by("query_id")
    assert table["tags"].to_pylist()[:4] == [[], ["topic 1"], ["topic 2"], ["topic 0"]]
    assert read_manifest(unit)["tagging_failures"] == {"no tag in the reply": 4}
    assert "4 of 16 got no tags" in console.file.getvalue()  # type: ignore[attr-defined]


def test_tagging_that_was_interrupted_asks_for_the_missing_rows_alone(tmp_path: Path, console: Console) -> None:
    log = tmp_path / "log"
    config = tagged_by_llm(replies(tmp_path / "q.jsonl"), log)
    first = queries.run(config, str(tmp_path / "run"), console)
    whole = read_table(first.path, QUERIES).sort_by("query_id")
    tags = tags_unit(config, clean_unit(config, str(tmp_path / "run")), str(tmp_path / "run"))
    Path(tags.path, "manifest.json").unlink()
    Path(first.path, "manifest.json").unlink()
    lost = pq.read_table(gone := parts(tags.path)[0])["query_id"].to_pylist()
    Path(gone).unlink()
    log.unlink()
    again = queries.run(config, str(tmp_path / "run"), console)
    assert sorted(line.split()[1] for line in log.read_text().splitlines()) == sorted(lost)
    assert read_table(again.path, QUERIES).sort_by("query_id") == whole
