"""Every expert answers every benchmark, turn by turn; engine by engine, so that each is started once per turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from zooter_ray.artifacts import Unit
from zooter_ray.config.benchmarks import Benchmark
from zooter_ray.config.generation import Decoding, GenerationConfig
from zooter_ray.evaluation.benchmarks import BenchmarkQuery
from zooter_ray.grading.extraction import without_thinking
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages.benchmarks.units import Generate, Row, conversation, conversation_unit, key_of, read_unit


@dataclass(frozen=True)
class Answers:
    """What an expert answered to the queries of a benchmark, by query id."""

    units: list[Unit] = field(default_factory=list)  # responses, turn by turn
    texts: dict[str, list[str]] = field(default_factory=dict)  # turn by turn, without what was thought before
    tokens: dict[str, int | None] = field(default_factory=dict)  # generated, of all turns; None: not known of them all
    missing: dict[str, str] = field(default_factory=dict)  # why a turn has no answer


def answer(
    pool: GenerationConfig,
    benchmarks: Sequence[Benchmark],
    queries: Mapping[str, Sequence[BenchmarkQuery]],
    run_dir: str,
    console: Console,
    generate: Generate,
) -> dict[str, Answers]:
    """Ask what was not asked yet.

    Args:
        pool: the experts.
        benchmarks: what they are asked.
        queries: by the benchmark's kind.
        run_dir: where the run lives.
        console: where progress is shown.
        generate: the generation stage.

    Returns:
        The answers by `key_of` expert and kind.
    """
    ids = [expert.id for expert in pool.experts]
    answers = {key_of(expert, one.kind): Answers() for expert in ids for one in benchmarks}
    for turn in range(max(len(query.turns) for found in queries.values() for query in found)):
        asked = {}
        open_benchmarks = [one for one in benchmarks if any(len(query.turns) > turn for query in queries[one.kind])]
        for kind in (one.kind for one in open_benchmarks):
            for expert in ids:
                key = key_of(expert, kind)
                rows = [row for query in queries[kind] for row in _turn(query, turn, answers[key])]
                asked[key] = conversation_unit(run_dir, f"{kind}/turn-{turn + 1}", rows)
        units = generate(experts_for(pool, open_benchmarks), asked, run_dir, console, turn > 0)
        for key in asked:
            _take(answers[key], units[key])
    return answers


def _turn(query: BenchmarkQuery, turn: int, before: Answers) -> list[Row]:
    """The row of a query's turn, behind its earlier turns; none if one of them has no answer."""
    texts = before.texts.get(query.query_id, [])
    if turn >= len(query.turns) or len(texts) < turn or not query.sources:
        return []
    history = [
        {"role": role, "content": content}
        for pair in zip(query.turns[:turn], texts, strict=True)
        for role, content in zip(("user", "assistant"), pair, strict=True)
    ]
    return [conversation(query.query_id, query.turns[turn], query.sources[0], history, query.reference)]


def _take(answers: Answers, unit: Unit) -> None:
    """Add the answers of one turn."""
    rows, reasons = read_unit(unit, RESPONSES, ["response", "generated_tokens"])
    answers.units.append(unit)
    answers.missing.update(reasons)
    for query_id, row in rows.items():
        answers.texts.setdefault(query_id, []).append(without_thinking(row["response"]).strip())
        before, took = answers.tokens.get(query_id, 0), row["generated_tokens"]
        answers.tokens[query_id] = None if before is None or took is None else before + took


def experts_for(pool: GenerationConfig, benchmarks: Sequence[Benchmark]) -> GenerationConfig:
    """The experts, each once for every benchmark, with the decoding that it asks for, on the engine that it has."""
    head = benchmarks[0]
    experts = [
        expert.model_copy(
            update={
                "id": key_of(expert.id, one.kind),
                "engine": expert.engine if one is head else None,
                "same_weights_as": None if one is head and expert.engine else key_of(owner, head.kind),
                "decoding": decoding_for(expert.decoding, one),
                "n": 1,
            }
        )
        for expert in pool.experts
        for owner in [expert.same_weights_as or expert.id]
        for one in benchmarks
    ]
    return pool.model_copy(update={"experts": experts})


def decoding_for(decoding: Decoding, benchmark: Benchmark) -> Decoding:
    """An expert's decoding on a benchmark."""
    changed = {"temperature": 0.0} if benchmark.greedy and decoding.temperature is not None else {}
    return decoding.model_copy(update={**changed, "max_tokens": benchmark.max_tokens or decoding.max_tokens})
