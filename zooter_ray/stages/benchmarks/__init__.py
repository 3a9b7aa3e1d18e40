"""Benchmarks: experts answer, graders or a judge grade, and an outcomes file comes of it.

answering   every expert's answers, turn by turn, through the generation stage
judging     a judge's verdicts, through the same
grading     grades out of checks against references, out of verdicts, or as they are published; rewards beside them
writing     the outcomes file, what is missing in it, and the means
"""

from collections.abc import Mapping

from rich.console import Console

from zooter_ray.artifacts import Unit
from zooter_ray.config.benchmarks import BenchmarksConfig, Published
from zooter_ray.evaluation.benchmarks import PUBLISHED, BenchmarkQuery, load
from zooter_ray.evaluation.benchmarks.outcomes import Grades
from zooter_ray.stages.benchmarks import grading, writing
from zooter_ray.stages.benchmarks.answering import Answers, answer
from zooter_ray.stages.benchmarks.judging import Cases, cases_of, judge
from zooter_ray.stages.benchmarks.units import Generate, Score, key_of

__all__ = ["OUTCOMES_FILE", "run"]

OUTCOMES_FILE = writing.OUTCOMES_FILE


def run(config: BenchmarksConfig, run_dir: str, console: Console, generate: Generate, score: Score) -> Unit:
    """Answer and grade what is missing; returns the unit with the outcomes file.

    Args:
        config: settings of the benchmarks.
        run_dir: where the run lives.
        console: where progress and the means are shown.
        generate: the generation stage, for experts and judge alike.
        score: the scoring stage, for checks against references and for reward models.

    Raises:
        DataError: naming the file and the row that cannot be used.
        StageError: if no query has a grade of every expert.
    """
    queries: dict[str, list[BenchmarkQuery]] = {benchmark.kind: load(benchmark) for benchmark in config.benchmarks}
    answers = _answers(config, queries, run_dir, console, generate)
    grades = _published(config, queries, answers, run_dir)
    grades |= grading.by_reference(config, queries, answers, run_dir, console, score)
    grades |= _judged(config, queries, answers, run_dir, console, generate)
    for model in config.reward_models:
        grades = grading.with_rewards(model, grades, answers, run_dir, console, score)
    return writing.write(config, queries, grades, run_dir, console)


def _answers(
    config: BenchmarksConfig, queries: Mapping[str, list[BenchmarkQuery]], run_dir: str, console: Console,
    generate: Generate,
) -> dict[str, Answers]:  # fmt: skip
    if not config.answered or config.generation is None:
        return {}
    theirs = {benchmark.kind: queries[benchmark.kind] for benchmark in config.answered}
    return answer(config.generation, config.answered, theirs, run_dir, console, generate)


def _published(
    config: BenchmarksConfig, queries: Mapping[str, list[BenchmarkQuery]], answers: dict[str, Answers], run_dir: str
) -> dict[str, Grades]:
    """Published grades; their answers join the others where reward models are to see them."""
    found: dict[str, Grades] = {}
    for benchmark in config.benchmarks:
        if isinstance(benchmark, Published):
            theirs = queries[benchmark.kind]
            found[benchmark.kind] = grades = PUBLISHED[benchmark.kind](benchmark, theirs)
            if config.reward_models:
                answers |= {
                    key_of(expert, benchmark.kind): Answers(
                        [grading.published_unit(run_dir, key_of(expert, benchmark.kind), theirs, known)]
                    )
                    for expert, known in grades.items()
                }
    return found


def _judged(
    config: BenchmarksConfig, queries: Mapping[str, list[BenchmarkQuery]], answers: Mapping[str, Answers],
    run_dir: str, console: Console, generate: Generate,
) -> dict[str, Grades]:  # fmt: skip
    if not config.judged or config.judge is None or config.generation is None:
        return {}
    keys = {key_of(expert, kind): kind for kind in config.judged for expert in config.experts}
    cases: Cases = {key: cases_of(kind, queries[kind], answers[key]) for key, kind in keys.items()}
    judge(config.judge, config.generation, cases, run_dir, console, generate)
    return {kind: grading.by_judge(config.experts, kind, queries[kind], answers, cases) for kind in config.judged}
