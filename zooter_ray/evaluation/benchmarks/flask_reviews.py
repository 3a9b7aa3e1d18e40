"""Published reviews of answers to FLASK, so that a comparison needs no expert and no judge.

A file of an expert is what FLASK's own script writes: JSON Lines of `question_id` (or `idx`), the answer `target_txt`
and `score`, a rating by skill in which N/A is no rating. A grade is the mean of the skills that are rated.
"""

from collections.abc import Iterator, Sequence

from zooter_ray.config.benchmarks import FlaskReviews
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.flask import SCALE, query_of
from zooter_ray.evaluation.benchmarks.outcomes import Grade
from zooter_ray.evaluation.benchmarks.published import matched
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, first_text
from zooter_ray.evaluation.judges import ratings_of
from zooter_ray.row_files import read_rows

OTHER_SKILLS = "the review does not rate the query's skills"


def queries(config: FlaskReviews) -> Iterator[BenchmarkQuery]:
    """The published queries; nobody is asked.

    Raises:
        DataError: naming the row that cannot be used.
    """
    for where, row in read_rows(config.path):
        yield query_of(where, row)


def published_grades(config: FlaskReviews, asked: Sequence[BenchmarkQuery]) -> dict[str, dict[str, Grade]]:
    """Published answers and grades by expert and query id.

    Raises:
        DataError: naming the row that cannot be used, or the file that is about none of the queries.
    """
    return {expert: _of_expert(path, asked) for expert, path in config.experts.items()}


def _of_expert(path: str, asked: Sequence[BenchmarkQuery]) -> dict[str, Grade]:
    skills = {query.query_id: query.skills for query in asked}
    found: dict[str, Grade] = {}
    for where, row in read_rows(path):
        number = row.get("question_id", row.get("idx"))
        if not isinstance(number, str | int):
            raise DataError(f"{where}: column 'question_id' or 'idx' is missing")
        if (query_id := f"flask-{number}") in found:
            raise DataError(f"{where}: there is a second row for {query_id}")
        if "score" not in row:
            raise DataError(f"{where}: column 'score' is missing")
        ratings = ratings_of(row["score"], skills.get(query_id, ()), *SCALE)
        value = None if ratings is None else sum(ratings.values()) / len(ratings)
        found[query_id] = Grade(value, "" if ratings else OTHER_SKILLS, first_text(where, row, "target_txt"))
    return matched(path, found, asked)
