"""Read and check an outcomes file: what is known of each query over all experts.

JSON Lines (optionally .gz) or Parquet, one row per query: `query_id`, `query`, `rewards` {expert: number}, and
optionally `source`, `tags`, `metrics` {expert: number}, `costs` {expert: number}, `split` (train or eval), and
`responses` {expert: text}, which the report shows.
"""

import codecs
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import ijson
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zooter_ray.artifacts import file_system
from zooter_ray.errors import DataError, one_line

LARGEST = 1e100  # of rewards, metrics and costs: their squares can be added up


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of Q queries over M experts; rows are sorted by query id, columns by `experts`."""

    experts: list[str]
    query_ids: list[str]
    queries: list[str]
    sources: list[str]
    tags: list[list[str]]
    splits: list[str]
    rewards_QM: np.ndarray
    metrics_QM: np.ndarray | None
    costs_QM: np.ndarray | None
    is_split: bool = False  # whether the rows say which split they are of
    responses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # query id -> expert -> text

    def in_order(self, experts: Sequence[str]) -> "Outcomes":
        """The same outcomes with their columns in the order of `experts`, which must be the same pool."""
        index = [self.experts.index(expert) for expert in experts]
        return replace(
            self,
            experts=list(experts),
            rewards_QM=self.rewards_QM[:, index],
            metrics_QM=None if self.metrics_QM is None else self.metrics_QM[:, index],
            costs_QM=None if self.costs_QM is None else self.costs_QM[:, index],
        )

    def rows(self, keep: np.ndarray) -> "Outcomes":
        """The rows where the boolean `keep` (Q,) holds."""
        index = np.flatnonzero(keep)
        return replace(
            self,
            query_ids=[self.query_ids[i] for i in index],
            queries=[self.queries[i] for i in index],
            sources=[self.sources[i] for i in index],
            tags=[self.tags[i] for i in index],
            splits=[self.splits[i] for i in index],
            rewards_QM=self.rewards_QM[index],
            metrics_QM=None if self.metrics_QM is None else self.metrics_QM[index],
            costs_QM=None if self.costs_QM is None else self.costs_QM[index],
        )


def of_split(outcomes: Outcomes, split: str, path: str) -> Outcomes:
    """The rows of a split, or all rows if the file says nothing of splits, and so was split by hand.

    Raises:
        DataError: naming `path` if no row is of this split.
    """
    if not outcomes.is_split:
        return outcomes
    found = outcomes.rows(np.array([name == split for name in outcomes.splits]))
    if not found.query_ids:
        raise DataError(f"{path} has no row whose `split` is {split}")
    return found


def values(outcomes: Outcomes) -> np.ndarray:
    """What is earned (Q, M): the metrics, or the rewards where the outcomes have no metrics."""
    return outcomes.rewards_QM if outcomes.metrics_QM is None else outcomes.metrics_QM


def value_name(outcomes: Outcomes) -> str:
    """What `values` are: metric or reward."""
    return "reward" if outcomes.metrics_QM is None else "metric"


def read_outcomes(path: str, experts: Sequence[str] | None = None) -> Outcomes:
    """Read and check an outcomes file.

    Args:
        path: local path or URI.
        experts: the expected pool, in the wanted order; by default the experts of the file, sorted by name, so that
            the order of keys and rows in the file does not matter.

    Raises:
        DataError: naming the file and the row, if anything is missing, doubled, not finite or of another pool.
    """
    rows = list(read_rows(path))
    if not rows:
        raise DataError(f"{path} has no rows")
    seen: dict[str, str] = {}
    pool = list(experts) if experts is not None else sorted(_mapping(rows[0], "rewards"))
    if len(pool) < 2:
        raise DataError(f"{rows[0][0]}: `rewards` names {pool[0]!r} alone; routing needs two experts or more")
    for where, row in rows:
        _check_row(where, row, pool, named_by="the router" if experts is not None else rows[0][0])
        if (query_id := row["query_id"]) in seen:
            raise DataError(f"{where}: query_id {query_id!r} is also in {seen[query_id]}")
        seen[query_id] = where
    rows.sort(key=lambda item: item[1]["query_id"])
    return _assemble(rows, pool)


def read_rows(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a JSON Lines, JSON (both optionally .gz) or Parquet file, each with where it stands (`file:line`)."""
    with reading(path):
        yield from _rows_of_file(path)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn what is wrong with a file, or on the way to it, into one sentence that names `path`."""
    try:
        yield
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
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"{path}:{number}", _json_row(f"{path}:{number}", line)
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}") from None


def _json_row(where: str, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except UnicodeDecodeError:
        raise DataError(f"{where}: not UTF-8") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: malformed JSON ({error.msg} at column {error.colno})") from None
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    except RecursionError:
        raise DataError(f"{where}: JSON is nested too deeply") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: a JSON object is needed, not {type(row).__name__}")
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


def _mapping(located: tuple[str, dict[str, Any]], key: str) -> dict[str, Any]:
    where, row = located
    value = row.get(key)
    if not isinstance(value, Mapping) or not value:
        raise DataError(f"{where}: `{key}` must be an object that maps each expert to a number")
    return dict(value)


def _check_row(where: str, row: dict[str, Any], pool: Sequence[str], named_by: str) -> None:
    for key in ("query_id", "query"):
        check_text(where, row, key)
    if row.get("source") is not None:
        check_text(where, row, "source")
    if row.get("split", "train") not in ("train", "eval", None):
        raise DataError(f"{where}: `split` must be train or eval, not {row['split']!r}")
    tags = row.get("tags")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise DataError(f"{where}: `tags` must be a list of texts")
    check_encodes(where, "tags", tags or ())
    for key in ("rewards", "metrics", "costs"):
        if key == "rewards" or row.get(key) is not None:
            _check_numbers(where, key, _mapping((where, row), key), pool, named_by)
    responses = row.get("responses") or {}
    if not (isinstance(responses, Mapping) and all(isinstance(text, str) for text in responses.values())):
        raise DataError(f"{where}: `responses` must be an object that maps experts to texts")
    check_encodes(where, "rewards", row["rewards"])
    for expert, text in responses.items():
        check_encodes(where, "responses", (expert, " ", text))


def _check_numbers(where: str, key: str, values: dict[str, Any], pool: Sequence[str], named_by: str) -> None:
    if unknown := sorted(set(values) - set(pool)):
        raise DataError(f"{where}: `{key}` names unknown expert {unknown[0]!r}; the pool of {named_by} is {list(pool)}")
    for expert in pool:
        value: Any = values.get(expert)
        if not _is_finite(value) or abs(value) > LARGEST:
            kind = f"number up to {LARGEST:g}" if _is_finite(value) else "finite number"
            what = "is missing" if value is None else f"is {repr(value)[:40]}, not a {kind}"
            raise DataError(f"{where}: the {key.removesuffix('s')} of expert {expert!r} {what}")


def _is_finite(value: Any) -> bool:
    """Whether a value is a number that fits into a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _assemble(rows: list[tuple[str, dict[str, Any]]], pool: list[str]) -> Outcomes:
    return Outcomes(
        experts=pool,
        query_ids=[row["query_id"] for _, row in rows],
        queries=[row["query"] for _, row in rows],
        sources=[row.get("source") or "all" for _, row in rows],
        tags=[list(dict.fromkeys(row.get("tags") or ())) for _, row in rows],
        splits=[row.get("split") or "train" for _, row in rows],
        rewards_QM=_matrix(rows, "rewards", pool),
        metrics_QM=_optional_matrix(rows, "metrics", pool),
        costs_QM=_optional_matrix(rows, "costs", pool),
        is_split=any(row.get("split") is not None for _, row in rows),
        responses={row["query_id"]: row["responses"] for _, row in rows if row.get("responses")},
    )


def _matrix(rows: list[tuple[str, dict[str, Any]]], key: str, pool: list[str]) -> np.ndarray:
    return np.array([[row[key][expert] for expert in pool] for _, row in rows], dtype=np.float64)


def _optional_matrix(rows: list[tuple[str, dict[str, Any]]], key: str, pool: list[str]) -> np.ndarray | None:
    """The matrix if every row has one, None if no row has."""
    have = [row.get(key) is not None for _, row in rows]
    if not any(have):
        return None
    if not all(have):
        raise DataError(f"{rows[have.index(False)][0]}: `{key}` is missing here but given in other rows")
    return _matrix(rows, key, pool)


def outcomes_table(outcomes: Outcomes) -> pa.Table:
    """Outcomes in the form of an outcomes file."""
    columns: dict[str, object] = {
        "query_id": outcomes.query_ids,
        "query": outcomes.queries,
        "source": outcomes.sources,
        "tags": outcomes.tags,
        "split": outcomes.splits,
    }
    matrices = {"rewards": outcomes.rewards_QM, "metrics": outcomes.metrics_QM, "costs": outcomes.costs_QM}
    for name, matrix_QM in matrices.items():
        if matrix_QM is not None:
            columns[name] = pa.StructArray.from_arrays(list(map(pa.array, matrix_QM.T)), outcomes.experts)
    return pa.table(columns)
