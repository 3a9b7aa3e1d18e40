"""Published judgments of answers to MT-Bench, so that a comparison needs no expert and no judge.

As FastChat publishes them: one file of single-answer judgments of many models (`question_id`, `model`, `turn` and
`score`, -1 where none could be read), and a directory with the answers of each, MODEL.jsonl. A turn that was judged
more than once has the mean of its scores; a query's grade is the mean of both turns, and there is none where a turn has
no score. FastChat's own averages are over all scores, which is the same where every turn has one.
"""

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from statistics import fmean

from zooter_ray.config.benchmarks import MTBenchJudgments
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.mt_bench import SCALE, TURNS, first_choice
from zooter_ray.evaluation.benchmarks.outcomes import Grade
from zooter_ray.evaluation.benchmarks.published import matched
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, first_text
from zooter_ray.row_files import check_encodes, read_rows

NO_SCORE = "a turn has no score from 1 to 10"

Scores = Mapping[str, Sequence[Sequence[float]]]  # of a model, by query id and turn


def published_grades(config: MTBenchJudgments, asked: Sequence[BenchmarkQuery]) -> dict[str, dict[str, Grade]]:
    """Published answers and grades by expert and query id.

    Raises:
        DataError: naming the row that cannot be used, or the model or query that there is nothing of.
    """
    scores = _scores(config.judgments, config.experts.values(), {query.query_id for query in asked})
    return {
        expert: matched(config.judgments, dict(_grades(config.answers, model, scores[model])), asked)
        for expert, model in config.experts.items()
    }


def _grades(directory: str, model: str, scores: Scores) -> Iterator[tuple[str, Grade]]:
    path = posixpath.join(directory, f"{model}.jsonl")
    answers = _answers(path)
    for query_id, turns in scores.items():
        if query_id not in answers:
            raise DataError(f"{path} has no answer to {query_id}, which {model} is judged on")
        response, first = "\n\n".join(answers[query_id]), answers[query_id][0]
        value = fmean(map(fmean, turns)) if all(turns) else None
        yield query_id, Grade(value, NO_SCORE if value is None else "", response, first_turn=first)


def _answers(path: str) -> dict[str, list[str]]:
    """A model's first answers to both turns, by query id; it may have answered with nothing."""
    found: dict[str, list[str]] = {}
    for where, row in read_rows(path):
        query_id, turns = f"mt_bench-{row.get('question_id')}", first_choice(where, row).get("turns")
        if query_id in found:
            raise DataError(f"{where}: there is a second row for {query_id}")
        if not isinstance(turns, list) or len(turns) != TURNS or not all(isinstance(turn, str) for turn in turns):
            raise DataError(f"{where}: column 'choices' must begin with an object whose 'turns' are {TURNS} texts")
        check_encodes(where, "turns", turns)
        found[query_id] = turns
    return found


def _scores(path: str, models: Collection[str], asked: Collection[str]) -> dict[str, dict[str, list[list[float]]]]:
    """What these models are judged by on the queries that are asked, by query id and turn."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for where, row in read_rows(path):
        model, query_id = first_text(where, row, "model"), f"mt_bench-{row.get('question_id')}"
        theirs = found.setdefault(model, {})
        if model in models and query_id in asked:
            turn, score = row.get("turn"), row.get("score")
            if not isinstance(turn, int) or turn not in range(1, TURNS + 1):
                raise DataError(f"{where}: column 'turn' must be 1 or 2, not {turn!r}")
            if isinstance(score, bool) or not isinstance(score, int | float):
                raise DataError(f"{where}: column 'score' must be a number, not {score!r}")
            turns = theirs.setdefault(query_id, [[] for _ in range(TURNS)])
            turns[turn - 1] += [float(score)] if SCALE[0] <= score <= SCALE[1] else []
    for model in models:
        if model not in found:
            raise DataError(f"{path} judges no model {model}; it has {', '.join(sorted(found))}")
    return found
