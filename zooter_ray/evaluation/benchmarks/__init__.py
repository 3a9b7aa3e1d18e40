"""The paper's 26 benchmark subsets, one file per benchmark.

alpaca_eval   5 subsets, win rate against text-davinci-003; or `annotations`: published answers and verdicts
flask         10 domains, ratings from 1 to 5
mt_bench      8 categories, ratings from 1 to 10
mmlu, gsm8k, human_eval   one subset each, share of right answers
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks import alpaca_eval, annotations, flask, gsm8k, human_eval, mmlu, mt_bench
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery

__all__ = ["VERDICTS", "BenchmarkQuery", "evenly", "load"]

LOADERS: dict[str, Callable[[Any], Iterator[BenchmarkQuery]]] = {
    "alpaca_eval": alpaca_eval.queries,
    "annotations": annotations.queries,
    "flask": flask.queries,
    "mt_bench": mt_bench.queries,
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
