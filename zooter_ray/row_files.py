"""Files of rows that users bring: JSON Lines, a JSON array (both optionally .gz) or Parquet; what texts may be."""

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import ijson
import pyarrow as pa
import pyarrow.parquet as pq

from zooter_ray.artifacts import file_system
from zooter_ray.errors import ArtifactError, DataError, one_line

FORMATS = "; rows come in JSON Lines, a JSON array named .json, both also as .gz, or .parquet"


def read_rows(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a JSON Lines, JSON (both optionally .gz) or Parquet file, each with where it stands (`file:line`)."""
    with reading(path):
        yield from _rows_of_file(path)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn what is wrong with a file, or on the way to it, into one sentence that names `path`."""
    try:
        yield
    except ArtifactError as error:
        raise DataError(error.sentence) from None
    except PermissionError:
        raise DataError(f"{path} cannot be read: permission denied") from None
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {one_line(error)}") from None


def _rows_of_file(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    fs, inner = file_system(path)
    if not fs.exists(inner):
        raise DataError(f"{path} does not exist")
    if fs.isdir(inner):
        raise DataError(f"{path} is a directory; a file is needed")
    with fs.open(inner, "rb") as file:
        if inner.endswith(".parquet"):
            yield from _parquet_rows(path, file)
        else:
            lines = io.BufferedReader(gzip.GzipFile(fileobj=file)) if inner.endswith(".gz") else file
            is_array = inner.removesuffix(".gz").endswith(".json") and _first_letter(path, lines) == b"["
            yield from _array_rows(path, lines) if is_array else _json_rows(path, lines)


def _first_letter(path: str, file: Any) -> bytes:
    """The first letter of a file that is no white space; nothing of the file is used up but a byte order mark."""
    try:
        head: bytes = file.read(1 << 10)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}") from None
    file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
    return head.removeprefix(codecs.BOM_UTF8).strip()[:1]


def _array_rows(path: str, file: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of one JSON array, read as a stream: such files are large."""
    try:
        for number, row in enumerate(ijson.items(file, "item", use_float=True), start=1):
            if not isinstance(row, dict):
                raise DataError(f"{path}:item {number}: a JSON object is needed, not {type(row).__name__}")
            yield f"{path}:item {number}", row
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: malformed JSON ({' '.join(str(error).split())[:200]})") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}") from None


def _parquet_rows(path: str, file: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        parquet = pq.ParquetFile(file)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from None
    number = 0
    for batch in parquet.iter_batches():
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            number += 1
            yield f"{path}:row {number}", row


def _json_rows(path: str, lines: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        advice = FORMATS  # of the first row that is none
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"{path}:{number}", _json_row(f"{path}:{number}", line, advice)
                advice = ""
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}") from None


def _json_row(where: str, line: bytes, advice: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except UnicodeDecodeError:
        raise DataError(f"{where}: not UTF-8{advice}") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: malformed JSON ({error.msg} at column {error.colno}){advice}") from None
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    except RecursionError:
        raise DataError(f"{where}: JSON is nested too deeply") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: a JSON object is needed, not {type(row).__name__}{advice}")
    return row


def check_text(where: str, row: dict[str, Any], key: str) -> str:
    """The text in a column of a row, which must be there, not empty, and free of lone surrogates."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: `{key}` must be a text that is not empty")
    check_encodes(where, key, [value])
    return value


def check_encodes(where: str, key: str, texts: Iterable[str]) -> None:
    """Refuse texts with lone surrogates, which JSON can hold and no file can."""
    try:
        "".join(texts).encode()
    except UnicodeEncodeError:
        raise DataError(f"{where}: `{key}` holds half a surrogate pair, which is no text") from None
