"""What comes of a benchmark: rows of an outcomes file, the rows that none can be made of, and means by subset.

A row of the outcomes needs a grade of every expert. A mean is over all grades of its expert, whatever the others have,
as leaderboards count it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery

NO_SUBSET = "the published file counts it for no subset"
NO_REWARD = "there is a grade, but no reward of {model}"


@dataclass(frozen=True)
class Grade:
    """What an expert's answer is worth, or the reason why nobody knows."""

    value: float | None
    reason: str = ""
    response: str = ""
    tokens: int | None = None  # generated; None: not known
    first_turn: str | None = None  # the part of the response that answers what was routed; None: all of it
    rewards: Mapping[str, float | None] = field(default_factory=dict)  # by reward model, of those that are asked


def first_turn_of(grade: Grade) -> str:
    """What answers the query that was routed."""
    return grade.response if grade.first_turn is None else grade.first_turn


Grades = Mapping[str, Mapping[str, Grade]]  # by expert and query id


@dataclass(frozen=True)
class SubsetResult:
    """An expert's mean grade on a subset, or on all queries of a benchmark, each once."""

    source: str
    expert: str
    mean: float | None  # None: no grade at all
    graded: int
    missing: int


def outcome_rows(queries: Iterable[BenchmarkQuery], grades: Grades) -> Iterator[dict[str, Any]]:
    """A row per query and subset, where every expert has a grade; a query of several subsets has an id for each.

    Args:
        queries: of one benchmark.
        grades: of every expert on every query that has a subset. Where reward models were asked, the rewards are those
            of the first, else the grades.
    """
    for query in queries:
        theirs = {expert: found[query.query_id] for expert, found in grades.items()} if query.sources else {}
        if any(map(_missing, theirs.values())):
            continue
        values = {expert: grade.value for expert, grade in theirs.items()}
        names = next(iter(theirs.values())).rewards if theirs else ()
        rankings = {name: {expert: grade.rewards[name] for expert, grade in theirs.items()} for name in names}
        row = {
            "query": query.query,
            "rewards": next(iter(rankings.values()), values),
            "metrics": values,
            "split": "eval",
            "responses": {expert: grade.response for expert, grade in theirs.items()},
        }
        if rankings:
            row["rankings"] = rankings
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
            if reason := _missing(found[query.query_id]):
                yield {**row, "expert": expert, "reason": reason}


def _missing(grade: Grade) -> str:
    """Why a grade makes no outcome; empty if it does."""
    if grade.value is None:
        return grade.reason
    lacking = next((name for name, reward in grade.rewards.items() if reward is None), None)
    return "" if lacking is None else NO_REWARD.format(model=lacking)


def subset_results(queries: Sequence[BenchmarkQuery], grades: Grades) -> list[SubsetResult]:
    """Each expert's mean on each subset, sorted, and on the whole benchmark where it has several subsets."""
    found: dict[str, list[str]] = {}
    for query in queries:
        for source in query.sources:
            found.setdefault(source, []).append(query.query_id)
    if len(found) > 1:
        whole = next(iter(found)).partition("/")[0]
        found = {**dict(sorted(found.items())), whole: [query.query_id for query in queries if query.sources]}
    return [
        _result(source, expert, [theirs[query_id].value for query_id in ids])
        for source, ids in found.items()
        for expert, theirs in grades.items()
    ]


def _result(source: str, expert: str, values: Sequence[float | None]) -> SubsetResult:
    known = [value for value in values if value is not None]
    mean = sum(known) / len(known) if known else None
    return SubsetResult(source, expert, mean, len(known), len(values) - len(known))
