"""Published judgments of answers to MT-Bench, so that a comparison needs no expert and no judge.

As FastChat publishes them: one file of single-answer judgments of many models (`question_id`, `model`, `turn` and
`score`, -1 where none could be read), and a directory with the answers of each, MODEL.jsonl. A turn that was judged
more than once has the mean of its scores, as in FastChat's own tables; a query's grade is the mean of both turns.
"""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from zooter_ray.config.benchmarks import MTBenchJudgments
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.mt_bench import SCALE, TURNS, answers_of, query_of
from zooter_ray.evaluation.benchmarks.outcomes import Grade
from zooter_ray.evaluation.benchmarks.published import matched
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, first_text
from zooter_ray.row_files import read_rows

UNREAD = -1
NO_SCORE = "a turn has no score that could be read"

Scores = Mapping[str, Sequence[Sequence[float]]]  # of a model, by query id and turn


def queries(config: MTBenchJudgments) -> Iterator[BenchmarkQuery]:
    """The published questions; nobody is asked.

    Raises:
        DataError: naming the row that cannot be used.
    """
    for where, row in read_rows(config.path):
        yield query_of(where, row)


def published_grades(config: MTBenchJudgments, asked: Sequence[BenchmarkQuery]) -> dict[str, dict[str, Grade]]:
    """Published answers and grades by expert and query id.

    Raises:
        DataError: naming the row that cannot be used, or the model or query that there is nothing of.
    """
    scores = _scores(config.judgments)
    for model in config.experts.values():
        if model not in scores:
            raise DataError(f"{config.judgments} judges no model {model}; it has {', '.join(sorted(scores))}")
    return {
        expert: matched(config.judgments, dict(_grades(config.answers, model, scores[model])), asked)
        for expert, model in config.experts.items()
    }


def _grades(directory: str, model: str, scores: Scores) -> Iterator[tuple[str, Grade]]:
    path = posixpath.join(directory, f"{model}.jsonl")
    answers = {f"mt_bench-{number}": turns for number, turns in answers_of(path)}
    for query_id, turns in scores.items():
        if query_id not in answers:
            raise DataError(f"{path} has no answer to {query_id}, which {model} is judged on")
        first, *_ = answers[query_id]
        value = fmean(map(fmean, turns)) if all(turns) else None
        yield query_id, Grade(value, "" if value else NO_SCORE, "\n\n".join(answers[query_id]), first_turn=first)


def _scores(path: str) -> dict[str, dict[str, list[list[float]]]]:
    """What every model is judged by, by query id and turn."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for where, row in read_rows(path):
        model, number = first_text(where, row, "model"), row.get("question_id")
        if not isinstance(number, str | int):
            raise DataError(f"{where}: column 'question_id' is missing")
        turns = found.setdefault(model, {}).setdefault(f"mt_bench-{number}", [[] for _ in range(TURNS)])
        turn = row.get("turn")
        if not isinstance(turn, int) or turn not in range(1, TURNS + 1):
            raise DataError(f"{where}: column 'turn' must be 1 or 2, not {turn!r}")
        turns[turn - 1] += _score(where, row)
    return found


def _score(where: str, row: Mapping[str, Any]) -> list[float]:
    """The score of a row; none where it could not be read."""
    low, high = SCALE
    score = row.get("score")
    if isinstance(score, bool) or not isinstance(score, int | float) or not (low <= score <= high or score == UNREAD):
        raise DataError(f"{where}: column 'score' must be a number from {low:g} to {high:g} or {UNREAD}, not {score!r}")
    return [] if score == UNREAD else [float(score)]
