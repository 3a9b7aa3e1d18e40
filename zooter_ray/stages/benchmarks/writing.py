"""The unit of outcomes: the file for `zooter evaluate`, the rows that are missing in it, and the means."""

import json
import posixpath
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, make_unit, write_bytes, write_manifest
from zooter_ray.config.benchmarks import BenchmarksConfig
from zooter_ray.errors import StageError
from zooter_ray.evaluation.benchmarks import BenchmarkQuery
from zooter_ray.evaluation.benchmarks.outcomes import Grades, outcome_rows, rejected_rows, subset_results
from zooter_ray.evaluation.rendering.terminal import subset_table
from zooter_ray.schemas import REJECTED
from zooter_ray.stages.benchmarks.units import Row, digest_of, write_rows

STAGE = "04_outcomes"
OUTCOMES_FILE = "outcomes.jsonl"


def write(
    config: BenchmarksConfig, queries: Mapping[str, Sequence[BenchmarkQuery]], grades: Mapping[str, Grades],
    run_dir: str, console: Console,
) -> Unit:  # fmt: skip
    """Write the unit, if it is not complete, and show the means and what is missing.

    Raises:
        StageError: if no query has a grade of every expert.
    """
    rows = [row for kind, theirs in queries.items() for row in outcome_rows(theirs, grades[kind])]
    rejected = [row for kind, theirs in queries.items() for row in rejected_rows(theirs, grades[kind])]
    if not rows:
        raise StageError(f"no query has a grade of every expert; the first reason: {rejected[0]['reason']}")
    results = [result for kind, theirs in queries.items() for result in subset_results(theirs, grades[kind])]
    unit = make_unit(run_dir, STAGE, "benchmarks", {**config.identity(), "content": digest_of([rows, rejected])})
    lost = _lost(queries, rejected)
    if not is_complete(unit):
        write_bytes(posixpath.join(unit.path, OUTCOMES_FILE), _lines(_alike(rows)))
        write_rows(unit.rejected, rejected, REJECTED)
        told = {"results": [asdict(result) for result in results]}
        write_manifest(unit, len(rows) + sum(lost.values()), len(rows), lost, told)
    if any("costs" in row for row in rows) and not all("costs" in row for row in rows):
        console.print("not every answer has its tokens, so the outcomes have no costs", highlight=False)
    console.print(subset_table(results))
    for reason, count in lost.most_common():
        console.print(f"left out: {count} rows, {reason}", highlight=False, soft_wrap=True)
    return unit


def _lost(queries: Mapping[str, Sequence[BenchmarkQuery]], rejected: Sequence[Row]) -> Counter[str]:
    """Rows of outcomes that there are not, each counted under the first reason."""
    reasons: dict[str, str] = {}
    for row in rejected:
        reasons.setdefault(row["query_id"], row["reason"])
    lost: Counter[str] = Counter()
    for query in (query for theirs in queries.values() for query in theirs):
        if query.query_id in reasons:
            lost[reasons[query.query_id]] += max(1, len(query.sources))
    return lost


def _alike(rows: Sequence[Row]) -> list[Row]:
    """Rows that all have costs, or none: some answers come without, and the file must be of one kind."""
    if all("costs" in row for row in rows):
        return list(rows)
    return [{name: value for name, value in row.items() if name != "costs"} for row in rows]


def _lines(rows: Sequence[dict[str, Any]]) -> bytes:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
