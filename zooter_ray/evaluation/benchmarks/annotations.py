"""Published answers to AlpacaEval with published verdicts, so that a comparison needs no expert and no judge.

A file of an expert comes in one of two forms. With `win`, 1, 0.5, 0 or null, beside `query_id` and `response`. Or as
AlpacaEval's annotations.json: `instruction`, `output_1`, `output_2`, `generator_1`, `generator_2` and `preference`,
from 1 (the first is better) to 2 (the second is), 0 for a draw in older files, or null. A null is no verdict and leaves
the win rate alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zooter_ray.config.benchmarks import Annotations
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.alpaca_eval import query_of
from zooter_ray.evaluation.benchmarks.outcomes import Grade
from zooter_ray.evaluation.benchmarks.published import matched
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, first_text
from zooter_ray.row_files import check_encodes, read_rows

NO_VERDICT = "the annotation holds no verdict"


def queries(config: Annotations) -> Iterator[BenchmarkQuery]:
    """The published queries; nobody is asked.

    Raises:
        DataError: naming the row that cannot be used.
    """
    for position, (where, row) in enumerate(read_rows(config.path)):
        yield query_of(where, row, position)


def published_grades(config: Annotations, asked: Sequence[BenchmarkQuery]) -> dict[str, dict[str, Grade]]:
    """Published answers and verdicts by expert and query id.

    Raises:
        DataError: naming the row that cannot be used, or the file that is about none of the queries.
    """
    return {expert: _of_expert(path, config.reference, asked) for expert, path in config.experts.items()}


def _of_expert(path: str, reference: str, asked: Sequence[BenchmarkQuery]) -> dict[str, Grade]:
    found: dict[str, Grade] = {}
    for where, row in read_rows(path):
        key, grade = _annotation(where, row, reference) if "preference" in row else _verdict(where, row)
        if key in found:
            raise DataError(f"{where}: there is a second row for {key[:60]!r}")
        found[key] = grade
    return matched(path, found, asked)


def _verdict(where: str, row: Mapping[str, Any]) -> tuple[str, Grade]:
    """Query id and grade of a row with `win`."""
    if "win" not in row:
        raise DataError(f"{where}: column 'win' or 'preference' is missing")
    return first_text(where, row, "query_id"), _grade(where, row, "win", row["win"], "response")


def _annotation(where: str, row: Mapping[str, Any], reference: str) -> tuple[str, Grade]:
    """Instruction and grade of a row with `preference`."""
    generators = [first_text(where, row, f"generator_{side}") for side in (1, 2)]
    if generators.count(reference) != 1:
        raise DataError(f"{where}: one of the generators must be {reference}, not {' and '.join(generators)}")
    side = 2 if generators[0] == reference else 1
    value = row["preference"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = 1.5 if value == 0 else value
        value = value - 1 if side == 2 else 2 - value
    return first_text(where, row, "instruction"), _grade(where, row, "preference", value, f"output_{side}")


def _grade(where: str, row: Mapping[str, Any], column: str, win: Any, output: str) -> Grade:
    response = row.get(output)
    if not isinstance(response, str):
        raise DataError(f"{where}: column {output!r} must be a text")
    check_encodes(where, output, [response])
    if win is None or (isinstance(win, float) and math.isnan(win)):
        return Grade(None, NO_VERDICT, response)
    if isinstance(win, bool) or not isinstance(win, int | float) or not 0 <= win <= 1:
        allowed = "0 or a number from 1 to 2" if column == "preference" else "a number from 0 to 1"
        raise DataError(f"{where}: column {column!r} must be {allowed} or null, not {row[column]!r}")
    return Grade(float(win), "", response)
