"""Route a file of queries: one row out per row in, in order."""

import gzip
import json
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from zooter_ray.artifacts import is_device, writing
from zooter_ray.errors import ArtifactError, DataError
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.row_files import check_encodes, read_rows

ROWS_TOGETHER = 256


def route_file(predictor: RouterPredictor, queries: str, output: str) -> Iterator[int]:
    """Route the queries of a JSON Lines (optionally .gz) or Parquet file; yields rows as they are routed.

    The output is Parquet if it is named so, else JSON Lines, compressed if named .gz: `query_id`, `expert`,
    `probabilities` {expert: p}. A row without a `query_id` gets its number, from 0.

    Raises:
        DataError: naming the file and the row that has no query; the output then does not appear.
        ArtifactError: if the output is no local file, or the file of the queries.
    """
    if "://" in output:
        raise ArtifactError(f"{output}: the output must be a local file; copy it from there")
    target = Path(output)
    if target.exists() and Path(queries).exists() and target.samefile(queries):
        raise ArtifactError(f"{output}: the output would take the place of the queries; choose another --output")
    scratch = target if is_device(target) else target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
    with writing(output):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            if target.suffix == ".parquet":
                yield from _write_parquet(scratch, predictor, queries)
            else:
                yield from _write_lines(scratch, predictor, queries, compressed=target.suffix == ".gz")
            if scratch != target:
                scratch.replace(target)
        finally:
            if scratch != target:
                scratch.unlink(missing_ok=True)


def routed(predictor: RouterPredictor, queries: str) -> Iterator[list[dict[str, Any]]]:
    """Output rows, some at a time."""
    rows = enumerate(read_rows(queries))
    while block := [_checked(number, where, row) for number, (where, row) in islice(rows, ROWS_TOGETHER)]:
        probabilities = predictor([query for _, query in block])
        yield [
            {
                "query_id": query_id,
                "expert": predictor.experts[int(row.argmax())],
                "probabilities": dict(zip(predictor.experts, row.tolist(), strict=True)),
            }
            for (query_id, _), row in zip(block, probabilities, strict=True)
        ]


def _checked(number: int, where: str, row: dict[str, Any]) -> tuple[str, str]:
    """Id and query of a row; any text is a query, and only its id is written."""
    query_id, query = row.get("query_id"), row.get("query")
    if not isinstance(query, str):
        raise DataError(f"{where}: `query` must be a text")
    query_id = str(number if query_id is None else query_id)
    check_encodes(where, "query_id", [query_id])
    return query_id, query


def _write_lines(path: Path, predictor: RouterPredictor, queries: str, compressed: bool) -> Iterator[int]:
    with gzip.open(path, "wt", encoding="utf-8") if compressed else path.open("w", encoding="utf-8") as file:
        for block in routed(predictor, queries):
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in block)
            yield len(block)


def _write_parquet(path: Path, predictor: RouterPredictor, queries: str) -> Iterator[int]:
    probabilities = pa.struct([(expert, pa.float64()) for expert in predictor.experts])
    schema = pa.schema([("query_id", pa.string()), ("expert", pa.string()), ("probabilities", probabilities)])
    with pq.ParquetWriter(path, schema) as writer:
        for block in routed(predictor, queries):
            writer.write_table(pa.Table.from_pylist(block, schema))
            yield len(block)
