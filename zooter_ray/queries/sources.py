"""Read queries: the project's own demo set, or JSON, JSON Lines or Parquet files."""

import hashlib
import json
import posixpath
from collections.abc import Iterator
from typing import Any

from zooter_ray.artifacts import file_system
from zooter_ray.config.queries import DemoSetSource, FileSource
from zooter_ray.errors import DataError
from zooter_ray.grading import parse_reference
from zooter_ray.hashing import hash_fraction
from zooter_ray.queries.demo_set import demo_queries
from zooter_ray.queries.parsers import query_of
from zooter_ray.row_files import check_encodes, read_rows

Row = dict[str, Any]
NO_QUERY = "no query"


def read_source(source: DemoSetSource | FileSource, seed: int, eval_share: float) -> Iterator[Row]:
    """Rows of schemas.QUERIES from one source; those without a query carry an empty one.

    Raises:
        DataError: naming the file and the row, where a row cannot be used.
    """
    for path in files_of(source):
        yield from read_file(source, path, seed, eval_share)


def files_of(source: DemoSetSource | FileSource) -> list[str]:
    """The files of a source, sorted; one nameless file of the demo set.

    Raises:
        DataError: if there is none.
    """
    if isinstance(source, DemoSetSource):
        return [""]
    fs, path = file_system(source.path)
    if not any(letter in path for letter in "*?"):
        if not fs.isfile(path):
            fault = "is a directory; a file is needed" if fs.exists(path) else "does not exist"
            raise DataError(f"{source.path} {fault}")
        return [source.path]
    found = sorted(name for name in fs.glob(path) if fs.isfile(name))
    if not found:
        raise DataError(f"no file is called like {source.path}")
    scheme, separator, _ = source.path.rpartition("://")
    return [f"{scheme}{separator}{name}" for name in found]


def read_file(source: DemoSetSource | FileSource, path: str, seed: int, eval_share: float) -> Iterator[Row]:
    """Rows of one file of a source; see read_source."""
    if isinstance(source, DemoSetSource):
        for row in demo_queries(seed):
            yield {**row, "tags": row.get("tags", [])}
        return
    for where, row in read_rows(path):
        yield _file_row(where, row, source, seed, eval_share)


def content_hash(source: DemoSetSource | FileSource, seed: int) -> str:
    """A hash of what a source holds now, so that a file that was replaced is noticed.

    Raises:
        DataError: if a file does not exist.
    """
    if isinstance(source, DemoSetSource):
        return hashlib.sha256(json.dumps(demo_queries(seed), sort_keys=True).encode()).hexdigest()
    digest = hashlib.sha256()
    for name in files_of(source):
        fs, path = file_system(name)
        with fs.open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def _file_row(where: str, row: Row, source: FileSource, seed: int, eval_share: float) -> Row:
    query = _query(where, row, source)
    name = _text(where, row, source.source_column) or source.name
    query_id = _text(where, row, source.id_column) or made_id(name, query or posixpath.basename(where))
    return {
        "query_id": query_id,
        "query": query,
        "source": name,
        "tags": _tags(where, row, source.tags_column),
        "split": _split(where, row, source.split_column) or made_split(query_id, seed, eval_share),
        "reference": _reference(where, row, source.reference_column),
    }


def _query(where: str, row: Row, source: FileSource) -> str:
    """The row's query; a conversation may lack one, a column of queries may not."""
    try:
        query = query_of(row, source)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if source.parser == "column" and not query.strip():
        raise DataError(f"{where}: column {source.column!r} must be a text that is not empty")
    check_encodes(where, source.column, [query])
    return query if query.strip() else ""


def _text(where: str, row: Row, column: str | None) -> str | None:
    """The text in a column; None if no column is asked for. An id column that a file lacks is an error."""
    if column is None:
        return None
    value = row.get(column)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise DataError(f"{where}: column {column!r} must hold a text; set it to null in the config if there is none")
    check_encodes(where, column, [str(value)])
    return str(value)


def _tags(where: str, row: Row, column: str | None) -> list[str]:
    tags = row.get(column) if column is not None else None
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise DataError(f"{where}: column {column!r} must hold a list of texts")
    check_encodes(where, str(column), tags)
    return list(dict.fromkeys(tags))


def _split(where: str, row: Row, column: str | None) -> str | None:
    split = row.get(column) if column is not None else None
    if split not in (None, "train", "eval"):
        raise DataError(f"{where}: column {column!r} must be train or eval, not {split!r}")
    return split


def _reference(where: str, row: Row, column: str | None) -> str | None:
    value = row.get(column) if column is not None else None
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        parse_reference(text)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    return text


def made_id(source: str, query: str) -> str:
    """An id that follows from the source and the text."""
    return f"{source}/{hashlib.sha256(query.encode()).hexdigest()[:16]}"


def made_split(query_id: str, seed: int, eval_share: float) -> str:
    """`eval` for a share of the ids, by hash: the same id always falls on the same side."""
    return "eval" if hash_fraction(seed, "split", query_id) < eval_share else "train"
