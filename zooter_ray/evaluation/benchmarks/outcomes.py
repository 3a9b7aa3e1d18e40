"""What comes of a benchmark: rows of an outcomes file, the rows that none can be made of, and means by subset.

A row of the outcomes needs a grade of every expert. A mean is over all grades of its expert, whatever the others have,
as leaderboards count it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery

NO_SUBSET = "the published file counts it for no subset"


@dataclass(frozen=True)
class Grade:
    """What an expert's answer is worth, or the reason why nobody knows."""

    value: float | None
    reason: str = ""
    response: str = ""
    tokens: int | None = None  # generated; None: not known


Grades = Mapping[str, Mapping[str, Grade]]  # by expert and query id


@dataclass(frozen=True)
class SubsetResult:
    """An expert's mean grade on a subset."""

    source: str
    expert: str
    mean: float | None  # None: no grade at all
    graded: int
    missing: int


def outcome_rows(queries: Iterable[BenchmarkQuery], grades: Grades) -> Iterator[dict[str, Any]]:
    """A row per query and subset, where every expert has a grade; a query of several subsets has an id for each."""
    for query in queries:
        theirs = {expert: found[query.query_id] for expert, found in grades.items()}
        values = {expert: grade.value for expert, grade in theirs.items()}
        if None in values.values():
            continue
        row = {
            "query": query.query,
            "rewards": values,
            "metrics": values,
            "split": "eval",
            "responses": {expert: grade.response for expert, grade in theirs.items()},
        }
        if all(grade.tokens is not None for grade in theirs.values()):
            row["costs"] = {expert: grade.tokens for expert, grade in theirs.items()}
        for source in query.sources:
            yield {"query_id": outcome_id(query, source), "source": source, **row}


def outcome_id(query: BenchmarkQuery, source: str) -> str:
    """The id of a query's row for one of its subsets."""
    return query.query_id if len(query.sources) == 1 else f"{query.query_id}/{source.partition('/')[2]}"


def rejected_rows(queries: Iterable[BenchmarkQuery], grades: Grades) -> Iterator[dict[str, Any]]:
    """Rows of schemas.REJECTED: a query without a subset, and each expert without a grade on a query."""
    for query in queries:
        row = {"query_id": query.query_id, "sample": 0, "detail": None}
        if not query.sources:
            yield {**row, "expert": None, "reason": NO_SUBSET}
            continue
        for expert, found in grades.items():
            if found[query.query_id].value is None:
                yield {**row, "expert": expert, "reason": found[query.query_id].reason}


def subset_results(queries: Iterable[BenchmarkQuery], grades: Grades) -> list[SubsetResult]:
    """Each expert's mean on each subset, subsets in the order in which they come."""
    values: dict[tuple[str, str], list[float | None]] = {}
    for query in queries:
        for source in query.sources:
            for expert, found in grades.items():
                values.setdefault((source, expert), []).append(found[query.query_id].value)
    return [_result(source, expert, found) for (source, expert), found in values.items()]


def _result(source: str, expert: str, values: list[float | None]) -> SubsetResult:
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else None
    return SubsetResult(source, expert, mean, len(known), len(values) - len(known))


def results_json(results: Iterable[SubsetResult]) -> list[dict[str, Any]]:
    """Results as plain JSON values."""
    return [asdict(result) for result in results]
