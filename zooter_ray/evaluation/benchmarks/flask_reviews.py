"""Published reviews of answers to FLASK, so that a comparison needs no expert and no judge.

A file of an expert is what FLASK's own script writes: JSON Lines of `question_id` (or `idx`), the answer `target_txt`
and `score`, a rating by skill in which N/A is no rating. A grade is the mean of the skills that are rated.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from zooter_ray.config.benchmarks import FlaskReviews
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.flask import SCALE
from zooter_ray.evaluation.benchmarks.outcomes import Grade
from zooter_ray.evaluation.benchmarks.published import matched
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery
from zooter_ray.evaluation.judges import ratings_of
from zooter_ray.row_files import check_encodes, read_rows

UNRATED = "the review has no whole rating from 1 to 5 of each of the query's skills"


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
        answer = row.get("target_txt")
        if not isinstance(answer, str):
            raise DataError(f"{where}: column 'target_txt' must be a text")
        check_encodes(where, "target_txt", [answer])
        ratings = ratings_of(_numbers(row["score"]), skills.get(query_id, ()), *SCALE)
        found[query_id] = Grade(fmean(ratings.values()), "", answer) if ratings else Grade(None, UNRATED, answer)
    return matched(path, found, asked)


def _numbers(score: object) -> object:
    """The ratings, those that are written as texts made numbers: FLASK's script leaves them as the judge wrote them."""
    if not isinstance(score, Mapping):
        return score
    return {name: int(value) if str(value).strip().isdecimal() else value for name, value in score.items()}
