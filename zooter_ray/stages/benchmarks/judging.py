"""A judge is asked about the answers, through the generation stage: its replies are units like any expert's.

So a reply is paid for once, whatever is read out of it. A reply without a verdict is asked for again, otherwise
decoded, in a unit of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from zooter_ray.artifacts import Unit
from zooter_ray.config.benchmarks import JudgeConfig
from zooter_ray.config.generation import ExpertConfig, GenerationConfig
from zooter_ray.evaluation.benchmarks import VERDICTS, BenchmarkQuery
from zooter_ray.evaluation.judges import UNREADABLE, asked
from zooter_ray.grading.extraction import without_thinking
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages.benchmarks.answering import Answers
from zooter_ray.stages.benchmarks.units import Generate, Row, conversation, conversation_unit, read_unit


@dataclass
class Case:
    """A question that the judge is asked about an answer, and what came of it."""

    kind: str
    query: BenchmarkQuery
    row: Row
    verdict: float | None = None
    failure: str = UNREADABLE


Cases = dict[str, dict[str, Case]]  # by `key_of` expert and kind, and by the question's id


def cases_of(kind: str, queries: Sequence[BenchmarkQuery], answers: Answers) -> dict[str, Case]:
    """The questions about an expert's answers, where it answered all turns."""
    found = {}
    for query in queries:
        texts = answers.texts.get(query.query_id, [])
        if not query.sources or len(texts) < len(query.turns):
            continue
        for number, question in enumerate(query.questions):
            name = question_id(query, number)
            history = [{"role": "system", "content": question.system}] if question.system else []
            found[name] = Case(kind, query, conversation(name, asked(question, texts), query.sources[0], history))
    return found


def question_id(query: BenchmarkQuery, number: int) -> str:
    """The id of one of the questions about a query."""
    return f"{query.query_id}#{number + 1}"


def judge(
    config: JudgeConfig, pool: GenerationConfig, cases: Cases, run_dir: str, console: Console, generate: Generate
) -> None:
    """Ask the judge, and write its verdicts, or why there is none, into the cases."""
    for attempt in range(config.attempts):
        units: dict[str, Unit] = {}
        for key, theirs in cases.items():
            rows = [case.row for case in theirs.values() if case.verdict is None and case.failure == UNREADABLE]
            if rows:
                units[f"{config.id}/{key}"] = conversation_unit(run_dir, f"{config.id}/{key}", rows)
        if not units:
            break
        replies = generate(judge_for(config, pool, list(units), attempt), units, run_dir, console, attempt > 0)
        for name, unit in replies.items():
            _read(cases[name.partition("/")[2]], unit)
    _show(config, cases, console)


def _read(cases: Mapping[str, Case], unit: Unit) -> None:
    rows, reasons = read_unit(unit, RESPONSES, ["response"])
    for name, reason in reasons.items():
        cases[name].failure = f"the judge did not reply: {reason}"
    for name, row in rows.items():
        case = cases[name]
        case.verdict = VERDICTS[case.kind](case.query, without_thinking(row["response"]))


def _show(judge: JudgeConfig, cases: Cases, console: Console) -> None:
    every = [case for theirs in cases.values() for case in theirs.values()]
    unreadable = sum(case.verdict is None and case.failure == UNREADABLE for case in every)
    failed = sum(case.verdict is None for case in every) - unreadable
    console.print(
        f"{judge.id}: {len(every)} questions, {unreadable} without a verdict after {judge.attempts} attempts, "
        f"{failed} without a reply",
        highlight=False,
    )


def judge_for(judge: JudgeConfig, pool: GenerationConfig, names: Sequence[str], attempt: int) -> GenerationConfig:
    """The judge as the generation stage knows it: once for each unit of questions, all on one engine."""
    decoding = judge.decoding.at_attempt(attempt, judge.retry_temperature)
    first = ExpertConfig(id=judge.id, engine=judge.engine, chat_template=judge.chat_template, decoding=decoding)
    head, *others = names
    shared = {"engine": None, "same_weights_as": head}
    experts = [first.model_copy(update={"id": head}), *(first.model_copy(update={"id": n, **shared}) for n in others)]
    return pool.model_copy(update={"experts": experts})


def judged(cases: Mapping[str, Case], query: BenchmarkQuery) -> tuple[float | None, str]:
    """The mean of the verdicts on a query, or why there is none."""
    theirs = [cases[question_id(query, number)] for number in range(len(query.questions))]
    failure = next((case.failure for case in theirs if case.verdict is None), "")
    return (None if failure else sum(case.verdict or 0.0 for case in theirs) / len(theirs)), failure
