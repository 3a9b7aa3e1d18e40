"""What is asked, as units that are known by their content: the same conversations are the same unit in every run."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from rich.console import Console

from zooter_ray.artifacts import Unit, commit, is_complete, make_unit, read_table, write_manifest
from zooter_ray.config.generation import GenerationConfig
from zooter_ray.config.scoring import ScoringConfig
from zooter_ray.schemas import CONVERSATIONS, REJECTED

STAGE = "01_conversations"
ROWS_PER_PART = 4096

Row = dict[str, Any]
# The stages that answer (and may fail all of a remainder, if told so) and that reward, which this stage is handed.
Generate = Callable[[GenerationConfig, Mapping[str, Unit], str, Console, bool], Mapping[str, Unit]]
Score = Callable[[ScoringConfig, Mapping[str, Unit], str, Console], Mapping[str, Mapping[str, Unit]]]


def key_of(expert: str, kind: str) -> str:
    """The name under which an expert is asked a benchmark."""
    return f"{expert}/{kind}"


def conversation(
    query_id: str, query: str, source: str, history: Sequence[Mapping[str, str]] = (), reference: str | None = None
) -> Row:
    """A row of schemas.CONVERSATIONS."""
    told = {"query_id": query_id, "query": query, "source": source, "reference": reference}
    return {**told, "tags": [], "split": "eval", "history": list(history)}


def conversation_unit(run_dir: str, name: str, rows: Sequence[Row]) -> Unit:
    """The complete unit of these rows."""
    unit = make_unit(run_dir, STAGE, name, {"content": digest_of(rows)})
    if not is_complete(unit):
        write_rows(unit.path, rows, CONVERSATIONS)
        write_manifest(unit, len(rows), len(rows), {})
    return unit


def digest_of(content: Any) -> str:
    """A hash of plain JSON values."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def write_rows(directory: str, rows: Sequence[Row], schema: pa.Schema) -> None:
    """Rows as parts."""
    for start in range(0, len(rows), ROWS_PER_PART):
        table = pa.Table.from_pylist(list(rows[start : start + ROWS_PER_PART]), schema)
        commit(directory, table, ["query_id"])


def read_unit(unit: Unit, schema: pa.Schema, columns: Sequence[str]) -> tuple[dict[str, Row], dict[str, str]]:
    """Rows of a unit by query id, and why others were rejected."""
    rows = {row["query_id"]: row for row in read_table(unit.path, schema, ["query_id", *columns]).to_pylist()}
    rejected = read_table(unit.rejected, REJECTED, ["query_id", "reason"]).to_pylist()
    return rows, {row["query_id"]: row["reason"] for row in rejected if row["query_id"] not in rows}
