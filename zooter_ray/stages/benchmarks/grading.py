"""Grades of answers: by checks against references, or by the judge's verdicts. And the rewards of reward models."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, make_unit, write_manifest
from zooter_ray.config.benchmarks import BenchmarksConfig
from zooter_ray.config.scoring import RewardModel, ScoringConfig
from zooter_ray.evaluation.benchmarks import BenchmarkQuery
from zooter_ray.evaluation.benchmarks.outcomes import Grade, Grades, first_turn_of
from zooter_ray.schemas import RESPONSES, REWARDS
from zooter_ray.stages.benchmarks.answering import Answers
from zooter_ray.stages.benchmarks.judging import Case, judged
from zooter_ray.stages.benchmarks.units import Score, digest_of, key_of, read_unit, write_rows


def by_reference(
    config: BenchmarksConfig, queries: Mapping[str, Sequence[BenchmarkQuery]], answers: Mapping[str, Answers],
    run_dir: str, console: Console, score: Score,
) -> dict[str, Grades]:  # fmt: skip
    """Grades of the benchmarks whose queries have references, by kind."""
    kinds = [kind for kind, theirs in queries.items() if any(query.reference is not None for query in theirs)]
    keys = [key_of(expert, kind) for kind in kinds for expert in config.experts]
    if not keys:
        return {}
    units = {key: answers[key].units[0] for key in keys}
    scored = score(ScoringConfig(reward_models=[config.grading]), units, run_dir, console)[config.grading.id]
    checked = {key: read_unit(unit, REWARDS, ["reward"]) for key, unit in scored.items()}
    return {
        kind: {
            expert: {query.query_id: _checked(query.query_id, answers[key], *checked[key]) for query in queries[kind]}
            for expert in config.experts
            for key in [key_of(expert, kind)]
        }
        for kind in kinds
    }


def _checked(query_id: str, answers: Answers, rewards: Mapping[str, dict[str, float]], why: Mapping[str, str]) -> Grade:
    if query_id not in answers.texts:
        return Grade(None, _unanswered(query_id, answers))
    value = rewards[query_id]["reward"] if query_id in rewards else None
    return _grade(query_id, answers, value, why.get(query_id, ""))


def by_judge(
    experts: Sequence[str], kind: str, queries: Sequence[BenchmarkQuery], answers: Mapping[str, Answers],
    cases: Mapping[str, Mapping[str, Case]],
) -> Grades:  # fmt: skip
    """Grades of a benchmark that a judge was asked about."""
    return {
        expert: {query.query_id: _of_verdicts(query, answers[key], cases[key]) for query in queries if query.sources}
        for expert in experts
        for key in [key_of(expert, kind)]
    }


def _of_verdicts(query: BenchmarkQuery, answers: Answers, cases: Mapping[str, Case]) -> Grade:
    if len(answers.texts.get(query.query_id, ())) < len(query.turns):
        return Grade(None, _unanswered(query.query_id, answers))
    return _grade(query.query_id, answers, *judged(cases, query))


def _unanswered(query_id: str, answers: Answers) -> str:
    return f"the expert did not answer: {answers.missing[query_id]}"


def _grade(query_id: str, answers: Answers, value: float | None, reason: str) -> Grade:
    return Grade(value, reason, "\n\n".join(answers.texts[query_id]), answers.tokens[query_id])


def with_rewards(
    model: RewardModel, grades: Mapping[str, Grades], answers: Mapping[str, Answers], run_dir: str, console: Console,
    score: Score,
) -> dict[str, Grades]:  # fmt: skip
    """The grades, each with what a reward model gives for the answer to the first turn."""
    config = ScoringConfig(reward_models=[model])
    groups = [[key_of(expert, kind) for expert in found] for kind, found in grades.items()]
    # A pair ranker compares what it is given together, so it is given one benchmark at a time.
    if model.kind != "pair_ranker":
        groups = [[key for group in groups for key in group]]
    units: dict[str, Unit] = {}
    for group in groups:
        units |= score(config, {key: answers[key].units[0] for key in group}, run_dir, console)[model.id]
    return {
        kind: {expert: _rewarded(model.id, units[key_of(expert, kind)], theirs) for expert, theirs in found.items()}
        for kind, found in grades.items()
    }


def _rewarded(model: str, unit: Unit, grades: Mapping[str, Grade]) -> dict[str, Grade]:
    rows, _ = read_unit(unit, REWARDS, ["reward"])
    known = {query_id: row["reward"] for query_id, row in rows.items()}
    return {
        query_id: replace(grade, rewards={**grade.rewards, model: known.get(query_id)})
        for query_id, grade in grades.items()
    }


def published_unit(run_dir: str, key: str, queries: Sequence[BenchmarkQuery], grades: Mapping[str, Grade]) -> Unit:
    """Answers to the first turn that others have generated, as a unit of responses."""
    answered = {query.query_id: query.query for query in queries if grades[query.query_id].response}
    rows = [
        {"query_id": query_id, "expert": key, "sample": 0, "query": query, "finish_reason": "stop",
         "response": first_turn_of(grades[query_id]), "seconds": 0.0}
        for query_id, query in answered.items()
    ]  # fmt: skip
    unit = make_unit(run_dir, "02_responses", key, {"content": digest_of(rows)})
    if not is_complete(unit):
        write_rows(unit.path, rows, RESPONSES)
        write_manifest(unit, len(rows), len(rows), {})
    return unit
