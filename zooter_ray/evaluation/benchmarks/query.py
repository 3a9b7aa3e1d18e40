"""A query of a benchmark: what is routed, what the experts are asked, and how their answers are graded."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zooter_ray.errors import DataError
from zooter_ray.evaluation.judges import Question
from zooter_ray.row_files import check_text


@dataclass(frozen=True)
class BenchmarkQuery:
    """One query as it is published. It has a reference, or a judge is asked questions about the answers, or neither.

    Neither where the verdicts are published.
    """

    query_id: str
    query: str  # what is routed: the first user turn
    turns: tuple[str, ...]  # what the experts are asked, one turn after the other
    sources: tuple[str, ...]  # benchmark/subset; a row of the outcomes for each; none: it counts for no subset
    reference: str | None = None  # JSON, see zooter_ray.grading
    questions: tuple[Question, ...] = ()  # the grade is the mean of their verdicts
    skills: tuple[str, ...] = ()  # of FLASK


def first_text(where: str, row: Mapping[str, Any], *columns: str) -> str:
    """The text in the first of these columns that the row has.

    Raises:
        DataError: if it has none of them, or no text in it.
    """
    column = next((column for column in columns if column in row), None)
    if column is None:
        raise DataError(f"{where}: column {' or '.join(map(repr, columns))} is missing")
    return check_text(where, dict(row), column)


def texts(where: str, row: Mapping[str, Any], column: str) -> tuple[str, ...]:
    """The texts in a column that holds a list of them.

    Raises:
        DataError: if it does not.
    """
    value = row.get(column)
    if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
        raise DataError(f"{where}: column {column!r} must hold a list of texts")
    return tuple(value)


def subset_name(published: str) -> str:
    """A subset's name as sources spell it: `Social Science` is social_science."""
    return re.sub(r"\W+", "_", published.strip().casefold())


def check_subset(where: str, name: str, known: tuple[str, ...]) -> str:
    """A subset of the benchmark.

    Raises:
        DataError: if there is no such subset.
    """
    if (subset := subset_name(name)) not in known:
        raise DataError(f"{where}: {name!r} is no subset of the benchmark; those are {', '.join(known)}")
    return subset
