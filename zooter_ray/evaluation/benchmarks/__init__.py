"""The paper's 26 benchmark subsets, one file per benchmark.

alpaca_eval   5 subsets, win rate against text-davinci-003
flask         10 domains, ratings from 1 to 5
mt_bench      8 categories, ratings from 1 to 10
annotations, flask_reviews, mt_bench_judgments   the same from published answers and verdicts
mmlu, gsm8k, human_eval   one subset each, share of right answers
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks import (
    alpaca_eval,
    annotations,
    flask,
    flask_reviews,
    gsm8k,
    human_eval,
    mmlu,
    mt_bench,
    mt_bench_judgments,
    published,
)
from zooter_ray.evaluation.benchmarks.outcomes import Grade
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery

__all__ = ["PUBLISHED", "VERDICTS", "BenchmarkQuery", "evenly", "load"]

LOADERS: dict[str, Callable[[Any], Iterator[BenchmarkQuery]]] = {
    "alpaca_eval": alpaca_eval.queries,
    "annotations": annotations.queries,
    "flask": flask.queries,
    "flask_reviews": partial(published.queries, flask.query_of),
    "mt_bench": mt_bench.queries,
    "mt_bench_judgments": partial(published.queries, mt_bench.query_of),
    "mmlu": mmlu.queries,
    "gsm8k": gsm8k.queries,
    "human_eval": human_eval.queries,
}

# How a judge's reply to one question about a query is read: a grade, or None.
VERDICTS: dict[str, Callable[[BenchmarkQuery, str], float | None]] = {
    "alpaca_eval": alpaca_eval.verdict,
    "flask": flask.verdict,
    "mt_bench": mt_bench.verdict,
}

# Published grades by expert and query id, for those queries.
PUBLISHED: dict[str, Callable[[Any, Sequence[BenchmarkQuery]], dict[str, dict[str, Grade]]]] = {
    "annotations": annotations.published_grades,
    "flask_reviews": flask_reviews.published_grades,
    "mt_bench_judgments": mt_bench_judgments.published_grades,
}


def load(config: Any) -> list[BenchmarkQuery]:
    """The queries of a benchmark, evenly thinned to its `limit`.

    Raises:
        DataError: if there are none, if two have one id, or naming the row that cannot be used.
    """
    queries = list(LOADERS[config.kind](config))
    if not queries:
        raise DataError(f"{config.path} has no rows")
    seen: set[str] = set()
    for query in queries:
        if query.query_id in seen:
            raise DataError(f"{config.path}: two queries have the id {query.query_id!r}")
        seen.add(query.query_id)
    return evenly(queries, config.limit)


def evenly(queries: Sequence[BenchmarkQuery], limit: int | None) -> list[BenchmarkQuery]:
    """So many of the queries at most, evenly over them all, so that every subset keeps its share."""
    if limit is None or limit >= len(queries):
        return list(queries)
    return [queries[number * len(queries) // limit] for number in range(limit)]
