"""Files of rows: which there may be, and with which words the others are refused."""

import codecs
import gzip
import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from zooter_ray.errors import DataError
from zooter_ray.row_files import read_rows

ROWS: list[dict[str, Any]] = [{"id": "b", "rewards": {"llama": 1.5}}, {"id": "a", "rewards": {"llama": -2.0}}]


def lines(rows: list[Any]) -> bytes:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows).encode()


def read(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(str(path))]


def refused(path: Path) -> str:
    """The error's message, without the folder."""
    with pytest.raises(DataError) as raised:
        read(path)
    return str(raised.value).replace(f"{path.parent}/", "")


def test_rows_come_from_json_lines_an_array_and_parquet_alike(tmp_path: Path) -> None:
    array = json.dumps(ROWS).encode()
    contents = {"rows.jsonl": lines(ROWS), "lines.json": lines(ROWS), "array.json": array}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
        assert read(tmp_path / name) == read(tmp_path / f"{name}.gz") == ROWS
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert read(tmp_path / "rows.parquet") == ROWS


def test_blank_lines_are_no_rows_but_count_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(lines(["", ROWS[0], "  ", ROWS[1]]))
    assert [where for where, _ in read_rows(str(path))] == [f"{path}:2", f"{path}:4"]


def test_a_json_array_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_bytes(codecs.BOM_UTF8 + json.dumps(ROWS).encode())
    assert read(tmp_path / "rows.json") == ROWS


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"query_id": "b", ', "malformed JSON"),
        ("query_id,query", "malformed JSON (Expecting value at column 1)"),
        ("[1, 2]", "a JSON object is needed, not list"),
        ("null", "a JSON object is needed, not NoneType"),
        ("[" * 100_000, "JSON is nested too deeply"),
    ],
)
def test_a_line_that_is_no_json_object_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(lines([ROWS[0], "", line]))
    assert refused(tmp_path / "rows.jsonl").startswith(f"rows.jsonl:3: {complaint}")


def test_a_file_of_another_format_is_told_which_are_read(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("query_id,query\na,Hi.\n")
    (tmp_path / "quoted.csv").write_text('\n"query_id"\n"a"\n')
    (tmp_path / "rows.jsonl").write_text(json.dumps(ROWS))
    (tmp_path / "rows.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    for name, complaint in {
        "rows.csv": "1: malformed JSON (Expecting value at column 1)",
        "quoted.csv": "2: a JSON object is needed, not str",
        "rows.jsonl": "1: a JSON object is needed, not list",
        "rows.xlsx": "1: not UTF-8",
    }.items():
        formats = "; rows come in JSON Lines, a JSON array named .json, both also as .gz, or .parquet"
        assert refused(tmp_path / name) == f"{name}:{complaint}{formats}"


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(lines(ROWS) + b'{"query_id": "\xff\xfe"}\n')
    assert refused(tmp_path / "rows.jsonl") == "rows.jsonl:3: not UTF-8"


def test_a_file_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(lines(ROWS))[:-12])
    (tmp_path / "plain.jsonl.gz").write_bytes(lines(ROWS))
    (tmp_path / "lines.parquet").write_bytes(lines(ROWS))
    (tmp_path / "folder").mkdir()
    for name, complaint in {
        "cut.jsonl.gz": "is not a whole gzip file",
        "plain.jsonl.gz": "is not a whole gzip file",
        "lines.parquet": "is not a Parquet file",
        "folder": "is a directory; a file is needed",
        "missing.jsonl": "does not exist",
    }.items():
        assert refused(tmp_path / name).startswith(f"{name} {complaint}")


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "damaged.parquet", compression="none")
    content = bytearray((tmp_path / "damaged.parquet").read_bytes())
    content[4:40] = b"\xff" * 36  # the first page, the footer is whole
    (tmp_path / "damaged.parquet").write_bytes(content)
    os.mkfifo(tmp_path / "pipe.parquet")
    threading.Thread(target=(tmp_path / "pipe.parquet").write_bytes, args=(b"PAR1",), daemon=True).start()
    for path in (f"{tmp_path}/damaged.parquet", f"{tmp_path}/pipe.parquet", "nowhere://o.jsonl", "sftp://h/o.jsonl"):
        with pytest.raises(DataError, match=rf"^{re.escape(path)} (cannot be re|is not a Parquet file).*: .+$"):
            list(read_rows(path))
