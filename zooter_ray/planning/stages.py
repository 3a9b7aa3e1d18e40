"""The lines of each stage, in the pipeline's order."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from zooter_ray.config.generation import DummyEngine, Engine, ExpertConfig, HttpEngine, VllmEngine
from zooter_ray.config.queries import VICUNA_TEMPLATE, ClustersTagger, InsTagger
from zooter_ray.config.resources import StageResources, worker_range
from zooter_ray.experts import engine_groups
from zooter_ray.planning.cost import Replica, Work, generation, pairs, reading, training
from zooter_ray.planning.models import HALF, bytes_per_parameter
from zooter_ray.planning.plan import CPU, Line, Plan, Planner, note_of

MAX_NUM_SEQS = 256  # vLLM's default
MEMORY_SHARE = 0.92  # vLLM's gpu_memory_utilization
QUERIES_TOGETHER = 64  # that a router reads at once
ROW_BYTES = 20.0  # ids, numbers and flags of a row, compressed
REPORT_BYTES = 5e6
INSTAG_TOKENS = 45.0  # InsTagger's instruction
TAGS_TOKENS = 120.0  # its reply: a handful of tags, each with an explanation
JUDGE_PROMPT_TOKENS = 300.0  # a judge's instruction
JUDGE_TOKENS = 150.0  # its reasons and its rating

Lengths = Sequence[tuple[float, float, float]]  # (rows, prompt tokens, generated tokens), of rows that share an engine


def make_plan(planner: Planner) -> Plan:
    """Every line of a run.

    Raises:
        ConfigError: for a model of which nothing is known, or that does not fit.
    """
    lines = (
        *queries_lines(planner),
        *generation_lines(planner),
        *scoring_lines(planner),
        training_line(planner),
        evaluation_line(planner),
    )
    assumed = note_of(planner.calibration, planner.efficiency)
    return Plan(planner.gpu.name, planner.gpus, lines, (*notes(planner), *assumed))


def notes(planner: Planner) -> list[str]:
    """The sizes that were assumed, and what will not run as it is."""
    work, config = planner.workload, planner.config
    found = [
        f"{work.read:,.0f} queries are cleaned and tagged, {work.queries:,.0f} drawn, {work.train:,.0f} trained on; "
        f"{work.query_tokens:.0f} tokens per query, {work.response_tokens:.0f} per response",
        "units run one after the other (engines that run side by side take less wall time); labels take seconds; "
        "prices and idle GPUs are not in it",
    ]
    asked = worker_range(config.training.resources)[1] * config.training.resources.num_gpus
    if planner.gpu.name != CPU and asked > planner.gpus:
        found.append(
            f"training asks for {asked:g} GPUs at once and would wait for ever on {planner.gpus}: "
            f"set training.resources.workers"
        )
    return found


def queries_lines(planner: Planner) -> list[Line]:
    """Cleaning and tagging of all that is read, drawing of the queries."""
    work, efficiency = planner.workload, planner.efficiency
    on_cpu = (1, 0.0)
    text = work.query_tokens * work.text_bytes + ROW_BYTES
    clean = Work(other_s=work.read * efficiency.cpu_s_per_row)
    draw = Work(other_s=work.read * efficiency.cpu_s_per_row / 10)
    return [
        planner.line(
            "queries", "clean", "clean", clean, efficiency.cleaning_start_s, on_cpu, work.read, text * work.read
        ),
        tagging_line(planner),
        planner.line(
            "queries", "queries", "queries", draw, efficiency.stage_start_s, on_cpu, work.queries, text * work.queries
        ),
    ]


def tagging_line(planner: Planner) -> Line:
    """By an LLM, by an encoder, or by a rule."""
    tagger, work, rows = planner.config.queries.tagger, planner.workload, planner.workload.read
    storage = 2 * ROW_BYTES * rows
    if isinstance(tagger, InsTagger):
        prompt = work.query_tokens + INSTAG_TOKENS + len(VICUNA_TEMPLATE) / 4
        lengths = [(rows, prompt, min(TAGS_TOKENS, tagger.decoding.max_tokens))]
        return engine_line(planner, "queries", "tags", tagger.engine, lengths, storage)
    if isinstance(tagger, ClustersTagger):
        return reading_line(
            planner, "queries", "tags", tagger.embedder, 4.0, tagger.resources, rows, work.query_tokens, 64, storage
        )
    rules, start_s = Work(other_s=rows * planner.efficiency.cpu_s_per_row / 10), planner.efficiency.stage_start_s
    return planner.line("queries", "tags", tagger.kind, rules, start_s, (1, 0.0), rows, storage)


def generation_lines(planner: Planner) -> list[Line]:
    """One line per engine; experts that share one are generated together."""
    work = planner.workload
    lines = []
    for engine, experts in engine_groups(planner.config.generation):
        lengths = [(work.queries * expert.n, *work.tokens(expert)) for expert in experts]
        storage = sum(rows * ((work.query_tokens + out) * work.text_bytes + ROW_BYTES) for rows, _, out in lengths)
        lines.append(engine_line(planner, "generation", " + ".join(e.id for e in experts), engine, lengths, storage))
    return lines


def engine_line(planner: Planner, stage: str, unit: str, engine: Engine, lengths: Lengths, storage: float) -> Line:
    """What an engine of any kind takes for rows of these lengths."""
    rows = sum(count for count, _, _ in lengths)
    tokens = (sum(n * prompt for n, prompt, _ in lengths), sum(n * out for n, _, out in lengths))
    start_s = planner.efficiency.stage_start_s
    if isinstance(engine, VllmEngine):
        size = engine.tensor_parallel_size
        held = planner.replicas(unit, engine.resources, size)
        share = float(engine.engine_kwargs.get("gpu_memory_utilization", MEMORY_SHARE))
        each = bytes_per_parameter(engine.dtype, engine.engine_kwargs.get("quantization"))
        replica = planner.replica(unit, engine.source, each, engine.resources, size, share)
        most = int(engine.engine_kwargs.get("max_num_seqs", MAX_NUM_SEQS))
        batch = min(most, engine.batch_size * engine.concurrent_batches)
        work = sum((generation(replica, n / held[0], prompt, out, batch, share) for n, prompt, out in lengths), Work())
        start_s = planner.model_start_s(replica, planner.efficiency.engine_start_s)
        return planner.line(stage, unit, engine.source, work, start_s, held, rows, storage, tokens)
    workers = worker_range(engine.resources)[1]
    asked_s = sum(n * request_s(planner, engine, out) for n, _, out in lengths)
    work = Work(other_s=asked_s / (workers * engine.concurrency))
    if isinstance(engine, HttpEngine) and engine.requests_per_minute:
        work = Work(other_s=max(work.other_s, 60 * rows / engine.requests_per_minute))
    return planner.line(stage, unit, engine.kind, work, start_s, (workers, 0.0), rows, storage, tokens)


def request_s(planner: Planner, engine: HttpEngine | DummyEngine, generated: float) -> float:
    """Seconds of one request to an endpoint, or to a simulated expert."""
    if isinstance(engine, DummyEngine):
        return engine.first_token_s + engine.per_token_s * (min(engine.tokens, generated) - 1)
    return planner.efficiency.http_first_token_s + planner.efficiency.http_token_s * generated


def scoring_lines(planner: Planner) -> list[Line]:
    """One line per reward model."""
    work, experts = planner.workload, planner.config.generation.experts
    rows = work.queries * sum(expert.n for expert in experts)
    response = sum(expert.n * work.tokens(expert)[1] for expert in experts) / sum(expert.n for expert in experts)
    return [scoring_line(planner, model, rows, response, experts) for model in planner.config.scoring.reward_models]


def scoring_line(planner: Planner, model: Any, rows: float, response: float, experts: Sequence[ExpertConfig]) -> Line:
    """A reward model, by its kind; `response` is the mean length in tokens."""
    query = planner.workload.query_tokens
    if hasattr(model, "engine"):  # a judge
        lengths = [(rows, JUDGE_PROMPT_TOKENS + query + response, JUDGE_TOKENS)]
        return engine_line(planner, "scoring", model.id, model.engine, lengths, ROW_BYTES * rows)
    if hasattr(model, "base_url"):
        return endpoint_line(planner, model, rows)
    if not hasattr(model, "source"):  # references
        workers = worker_range(model.resources)[1]
        work = Work(other_s=rows * planner.efficiency.cpu_s_per_row / workers)
        start_s, held = planner.efficiency.stage_start_s, (workers, 0.0)
        return planner.line("scoring", model.id, model.kind, work, start_s, held, rows, ROW_BYTES * rows)
    if model.kind == "pair_ranker":
        rows = planner.workload.queries * pairs([expert.n for expert in experts])
        tokens = min(query, model.max_source_length) + 2 * min(response, model.max_candidate_length)
    else:
        tokens = min(query + response, model.max_length)
    each, storage = bytes_per_parameter(model.dtype), ROW_BYTES * rows
    return reading_line(
        planner, "scoring", model.id, model.source, each, model.resources, rows, tokens, model.batch_size, storage
    )


def endpoint_line(planner: Planner, model: Any, rows: float) -> Line:
    """A judge behind an endpoint."""
    each_s = planner.efficiency.http_first_token_s + planner.efficiency.http_token_s * JUDGE_TOKENS
    work = Work(other_s=rows * each_s / getattr(model, "concurrency", 1))
    start_s = planner.efficiency.stage_start_s
    return planner.line("scoring", model.id, model.kind, work, start_s, (1, 0.0), rows, ROW_BYTES * rows)


def reading_line(
    planner: Planner, stage: str, unit: str, source: str, each: float, resources: StageResources,
    rows: float, tokens: float, batch: int, storage: float,
) -> Line:  # fmt: skip
    """A model that reads sequences and generates none; `each` is bytes per parameter."""
    held = planner.replicas(unit, resources)
    replica = planner.replica(unit, source, each, resources)
    work = reading(replica, rows / held[0], tokens, batch)
    start_s = planner.model_start_s(replica, planner.efficiency.actor_start_s)
    return planner.line(stage, unit, source, work, start_s, held, rows, storage, (rows * tokens, 0.0))


def training_line(planner: Planner) -> Line:
    """The router's distillation, in mixed precision on GPUs if it may be. A frozen encoder reads each query once."""
    work = planner.workload
    config = planner.config.training.for_rows(round(work.train))
    held = planner.replicas("training", config.resources)
    mixed = bool(config.resources.num_gpus) if config.mixed_precision is None else config.mixed_precision
    replica = router_replica(planner, "training", HALF if mixed else 4.0, config.resources)
    tokens = min(work.query_tokens, config.max_length)
    if config.frozen:
        embedded = reading(replica, work.train / held[0], tokens, QUERIES_TOGETHER)
        done = embedded + Work(other_s=config.epochs * planner.efficiency.epoch_s)
    else:
        done = training(replica, work.train, tokens, config.epochs, config.batch_size, held[0])
    start_s = planner.model_start_s(replica, planner.efficiency.actor_start_s)
    total, storage = work.train * (1 if config.frozen else config.epochs), 4.0 * replica.shape.parameters
    read = (total * tokens, 0.0)
    return planner.line("training", "router", config.backbone, done, start_s, held, total, storage, read)


def router_replica(planner: Planner, user: str, each: float, resources: StageResources) -> Replica:
    """The backbone with the layers that the router keeps; `each` is bytes per parameter."""
    config = planner.config.training
    replica = planner.replica(user, config.backbone, each, resources)
    layers = min(config.layers or replica.shape.layers, replica.shape.layers)
    return replace(replica, shape=replace(replica.shape, layers=layers))


def evaluation_line(planner: Planner) -> Line:
    """The router reads the held-out queries on the driver's CPU; the rest is intervals and plots."""
    config, work = planner.config.training, planner.workload
    rows = work.queries * work.eval_share
    tokens = min(work.query_tokens, config.max_length)
    replica = router_replica(planner, "evaluation", 4.0, StageResources())
    done, start_s = reading(replica, rows, tokens, QUERIES_TOGETHER), planner.efficiency.evaluation_s
    return planner.line(
        "evaluation", "report", config.backbone, done, start_s, (1, 0.0), rows, REPORT_BYTES, (rows * tokens, 0.0)
    )
