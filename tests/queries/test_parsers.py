"""The query in a record, in the forms that instruction data come in."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooter_ray.config.queries import FileSource, data_sets
from zooter_ray.errors import DataError
from zooter_ray.queries.sources import read_source

# A record of each data set of the paper's Table 3 as it is published, and the query in it.
PUBLISHED: dict[str, tuple[dict[str, Any], str]] = {
    "ultrachat": ({"id": "0", "data": ["How do fish sleep?", "With open eyes.", "Why?"]}, "How do fish sleep?"),
    "sharegpt": (
        {"id": "x", "conversations": [{"from": "system", "value": "Be kind."}, {"from": "human", "value": "Hi there"},
                                      {"from": "gpt", "value": "Hello"}]},
        "Hi there",
    ),
    "wizardlm(sharegpt)": (
        {"idx": "a", "conversations": [{"from": "human", "value": "Explain tides."}, {"from": "gpt", "value": "..."}]},
        "Explain tides.",
    ),
    "wizardlm(alpaca)": ({"instruction": "Sort 3, 1, 2.", "output": "1, 2, 3"}, "Sort 3, 1, 2."),
    "alpaca": ({"instruction": "Add.", "input": "2 and 3", "output": "5"}, "Add.\n\n2 and 3"),
    "repair": ({"instruction": "Repair it.", "input": "x = = 1", "output": "x = 1"}, "Repair it.\n\nx = = 1"),
    "openchat": ({"id": "1", "items": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Me"}]}, "Who?"),
    "flan": ({"inputs": "Is water wet?", "targets": "yes", "task": "t"}, "Is water wet?"),
    "math": ({"problem": "Solve $x=1$.", "solution": "1", "level": "1", "type": "Algebra"}, "Solve $x=1$."),
    "unnatural": (
        {"instruction": "Name it.", "instances": [{"instruction_with_input": "Name it: a red fruit.", "output": "."}]},
        "Name it: a red fruit.",
    ),
    "dmcc": ({"name": "1A", "description": "Print n lines.", "difficulty": 2}, "Print n lines."),
    "dolly": (
        {"instruction": "When was it?", "context": "It was in 1999.", "response": "1999", "category": "closed_qa"},
        "When was it?\n\nIt was in 1999.",
    ),
    "oasst": (
        {"message_tree_id": "t", "prompt": {"text": "Tell a joke.", "role": "prompter", "replies": []}}, "Tell a joke."
    ),
    "lima": ({"conversations": ["Plan a trip.", "Day one: ..."], "source": "wikihow"}, "Plan a trip."),
    "mbpp": ({"task_id": 1, "text": "Write a function.", "code": "def f(): ..."}, "Write a function."),
}  # fmt: skip


def write(path: Path, rows: list[Any]) -> str:
    """The rows in a file of the format that its name says."""
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    content = {
        ".json": lambda: json.dumps(rows, indent=1).encode(),
        ".jsonl": lambda: lines,
        ".gz": lambda: gzip.compress(json.dumps(rows).encode() if ".json." in path.name else lines),
    }
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_bytes(content[path.suffix]())
    return str(path)


def queries(path: str, **settings: Any) -> list[str]:
    source = FileSource.model_validate({"name": "mine", "id_column": None, **settings, "path": path})
    return [row["query"] for row in read_source(source, seed=0, eval_share=0.0)]


def test_every_data_set_of_table_3_has_its_mapping() -> None:
    assert list(data_sets()) == list(PUBLISHED)
    assert len(PUBLISHED) == 15


@pytest.mark.parametrize("suffix", ["json", "jsonl", "jsonl.gz", "json.gz", "parquet"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_form_of_a_data_set_is_read_in_every_format(tmp_path: Path, name: str, suffix: str) -> None:
    record, query = PUBLISHED[name]
    path = write(tmp_path / f"file.{suffix}", [record, record])
    source = FileSource.model_validate({"kind": "file", "data_set": name, "path": path})
    assert [(row["query"], row["source"]) for row in read_source(source, 0, 0.0)] == [(query, name)] * 2


def test_settings_beside_a_data_set_win() -> None:
    source = FileSource.model_validate({"data_set": "alpaca", "path": "x", "name": "ours", "id_column": "id"})
    assert (source.name, source.id_column, source.parser) == ("ours", "id", "instruction")
    with pytest.raises(ValueError, match="no data set is called 'alpacca'; known are ultrachat, sharegpt"):
        FileSource.model_validate({"data_set": "alpacca", "path": "x"})


@pytest.mark.parametrize(
    ("messages", "query"),
    [
        ([{"role": "system", "content": "S"}, {"role": "user", "content": "U"}], "U"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}], "a"),
        ([{"role": "assistant", "content": "A"}, {"role": "User", "content": "U"}], "U"),
        ([{"role": "assistant", "content": "A"}], ""),
        ([{"role": "user", "content": None}], ""),
        ([], ""),
        (None, ""),
    ],
)
def test_of_messages_the_first_user_turn_is_taken(tmp_path: Path, messages: Any, query: str) -> None:
    assert queries(write(tmp_path / "f.jsonl", [{"messages": messages}]), parser="messages") == [query]


def test_a_teams_own_logs_are_a_source_like_any_other(tmp_path: Path) -> None:
    log = {"at": "12:00", "request": {"model": "m", "messages": [{"role": "user", "content": "Where is my parcel?"}]}}
    path = write(tmp_path / "f.jsonl", [log])
    assert queries(path, parser="messages", query_column="request.messages") == ["Where is my parcel?"]


def test_many_files_are_one_source(tmp_path: Path) -> None:
    for name in "ba":
        write(tmp_path / f"{name}.jsonl", [{"query": name}])
    assert queries(f"{tmp_path}/*.jsonl") == ["a", "b"]
    with pytest.raises(DataError, match=r"no file is called like .*\*\.parquet"):
        queries(f"{tmp_path}/*.parquet")


@pytest.mark.parametrize("text", ["", " ", None])
def test_an_instruction_without_input_is_the_query(tmp_path: Path, text: str | None) -> None:
    path = write(tmp_path / "f.jsonl", [{"instruction": "Go.", "input": text}, {"instruction": "", "input": "x"}])
    assert queries(path, parser="instruction") == ["Go.", ""]


@pytest.mark.parametrize(
    ("row", "parser", "complaint"),
    [
        ({"conversations": "Hi"}, "conversations", "column 'conversations' must hold a list of turns, not str"),
        ({"conversations": [{"value": "Hi"}]}, "conversations", "a turn must be an object with 'from' and 'value'"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages", "column 'messages.content' must hold a text"),
        ({"instruction": ["a"]}, "instruction", "column 'instruction' must hold a text, not list"),
        ({"messages": [{"role": "user", "content": "\ud83d"}]}, "messages", "half a surrogate pair"),
    ],
)
def test_a_record_of_another_form_is_named(tmp_path: Path, row: Any, parser: str, complaint: str) -> None:
    with pytest.raises(DataError, match=r"f\.jsonl:2: ") as raised:
        queries(write(tmp_path / "f.jsonl", [{}, row]), parser=parser)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'[{"query": "a"}, {"query": ', r"f\.json: malformed JSON"),
        (b'[{"query": "a"}, 3]', r"f\.json:item 2: a JSON object is needed, not int"),
        (b'{"query": "a"}\n{"query": \n', r"f\.json:2: malformed JSON"),
    ],
)
def test_a_broken_json_file_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "f.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=complaint):
        queries(str(path))
