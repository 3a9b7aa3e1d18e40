"""What published verdicts have in common: they are matched with the queries, and a query without one has a reason."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from zooter_ray.config.benchmarks import Published
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.outcomes import Grade
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery
from zooter_ray.row_files import read_rows

QueryOf = Callable[[str, Mapping[str, Any]], BenchmarkQuery]  # from where a row stands, and the row
NO_ROW = "the file has no row for this query"


def queries(query_of: QueryOf, config: Published) -> Iterator[BenchmarkQuery]:
    """The published queries, each as `query_of` makes it of its row; nobody is asked.

    Raises:
        DataError: naming the row that cannot be used.
    """
    for where, row in read_rows(config.path):
        yield query_of(where, row)


def matched(path: str, found: Mapping[str, Grade], asked: Sequence[BenchmarkQuery]) -> dict[str, Grade]:
    """The grade of every query, which a file may know by its id or by its text.

    Raises:
        DataError: if the file is about none of the queries.
    """
    if not any(query.query_id in found or query.query in found for query in asked):
        raise DataError(f"{path} has no row for any of the {len(asked)} queries")
    none = Grade(None, NO_ROW)
    return {query.query_id: found.get(query.query_id) or found.get(query.query) or none for query in asked}
