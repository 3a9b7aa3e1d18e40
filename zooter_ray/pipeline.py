"""Which stages there are and in which order; what is complete is skipped. Used by the command line and by jobs."""

import os
import posixpath
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from ray.train import UserCallback
from rich.console import Console

from zooter_ray.artifacts import MANIFEST, Unit, absolute, read_table, write_bytes, write_json
from zooter_ray.cluster import connected
from zooter_ray.config import BenchmarksConfig, DistillConfig, RunConfig, dump_config
from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.config.run import STAGES
from zooter_ray.config.tuning import TuneConfig
from zooter_ray.errors import ArtifactError, StageError
from zooter_ray.evaluation.learned import Learned, learn, rows_of_outcomes
from zooter_ray.evaluation.pool import PoolReport, pool_report
from zooter_ray.experts import expert_ids, marked_name, shown_names
from zooter_ray.outcomes import Outcomes, of_split, read_outcomes, value_name, values
from zooter_ray.outputs import LOCK, alone_in, check_free, check_ours
from zooter_ray.preparing import prepare, prepare_benchmarks, prepare_models, source_of
from zooter_ray.progress import track
from zooter_ray.resources import Check, least, unchecked
from zooter_ray.router.directory import check_pool, read_card_of
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.router.route import route_file
from zooter_ray.row_files import read_rows
from zooter_ray.schemas import LABELS
from zooter_ray.stages import benchmarks, evaluation, generation, labeling, queries, scoring, training, tuning

REPLACED = "replaced"


@dataclass(frozen=True)
class RunResult:
    """Paths of what a run made, by stage; a stage that was not asked for is missing."""

    paths: dict[str, str]

    @property
    def router(self) -> str:
        """The router directory."""
        return self.paths["training"]

    @property
    def report(self) -> str:
        """The report.json; report.html lies beside it."""
        return posixpath.join(self.paths["evaluation"], "report.json")


def run(config: RunConfig, console: Console, until: str = STAGES[-1]) -> RunResult:
    """Run the stages up to and with `until`, skipping what is complete.

    Raises:
        ZooterError: the first thing that is wrong, in one sentence.
    """
    if until not in STAGES:
        raise StageError(f"there is no stage {until!r}; the stages are {', '.join(STAGES)}")
    config = config.model_copy(update={"run_dir": absolute(config.run_dir)})
    with alone_in(config.run_dir):
        write_bytes(posixpath.join(config.run_dir, "config.yaml"), dump_config(config).encode())
        os.environ.update(config.ray.env_vars)
        for directory in config.evaluation.other_routers:
            check_pool(read_card_of(directory), expert_ids(config.generation), directory, "the run")
        prepare_models(config, console)
        units: dict[str, Unit] = {}
        with connected(config.ray) as check:
            for stage, unit in _stages(config, console, check):
                units[stage] = unit
                if stage == until:
                    break
        result = RunResult({stage: unit.path for stage, unit in units.items()})
        write_json(posixpath.join(config.run_dir, "run.json"), result.paths)
    return result


def _stages(config: RunConfig, console: Console, check: Check) -> Iterator[tuple[str, Unit]]:
    """Run one stage after the other; yields its name and its unit (of a stage with many, the directory of all)."""
    run_dir, shown = config.run_dir, shown_names(config.generation)
    query_unit = queries.run(config.queries, run_dir, console, check)
    yield "queries", query_unit
    responses = generation.run(config.generation, query_unit, run_dir, console, check=check)
    yield "generation", _parent(run_dir, generation.STAGE, query_unit)
    rewards = scoring.run(config.scoring, responses, run_dir, console, check)
    yield "scoring", _parent(run_dir, scoring.STAGE, query_unit)
    reference = next((model.id for model in config.scoring.reward_models if model.kind == "reference"), None)
    tagger = config.labeling.tagger
    tags = None if tagger is None else queries.retag(config.queries, tagger, query_unit, run_dir, console, check)
    labels, supervision = labeling.run(
        config.labeling, query_unit, responses, rewards, reference, tags, run_dir, console
    )
    show_pool(pool_of(labels, list(responses), shown), shown, console)
    yield "labeling", labels
    same_weights = {e.id: e.same_weights_as for e in config.generation.experts if e.same_weights_as is not None}
    experts = expert_ids(config.generation)
    router = training.run(
        config.training, config.labeling, labels, experts, run_dir, console, same_weights, check=check
    )
    yield "training", router
    yield (
        "evaluation",
        evaluation.run(
            config.evaluation,
            router,
            labels,
            supervision,
            responses,
            rewards,
            config.label_reward_model,
            shown,
            run_dir,
            console,
        ),
    )


def _parent(run_dir: str, stage: str, like: Unit) -> Unit:
    return Unit(posixpath.join(run_dir, stage), stage, stage, like.fingerprint, {}, ())


def pool_of(labels: Unit, experts: list[str], shown: dict[str, str]) -> PoolReport:
    """What the training rows say about the pool."""
    table = read_table(labels.path, LABELS, ["split", "source", "rewards"])
    learned = table.filter(pa.compute.not_equal(table["split"], "eval"))
    if not learned.num_rows:
        raise StageError("no training query has a reward from every expert, so there is nothing to learn from")
    rewards_QM = learned["rewards"].combine_chunks().flatten().to_numpy().reshape(learned.num_rows, len(experts))
    return pool_report(experts, rewards_QM, learned["source"].to_pylist(), shown)


def show_pool(report: PoolReport, shown: dict[str, str], console: Console) -> None:
    """Print what the rewards say about the pool."""
    shares = ", ".join(f"{shown[expert]} {share:.0%}" for expert, share in report.win_share.items())
    console.print(
        f"pool: {report.preference_rows} of {report.rows} training queries carry a preference; wins: {shares}",
        highlight=False,
    )
    console.print(report.sentence, highlight=False)


def distill(outcomes: str, output: str, config: DistillConfig, console: Console, overwrite: bool = False) -> None:
    """A router directory from an outcomes file alone; interrupted, it goes on from its last checkpoint.

    Raises:
        DataError: for a bad outcomes file.
        ArtifactError: if `output` is in the way.
    """
    if "://" in output:
        raise ArtifactError(f"{output}: the router directory must be local; copy it from there")
    target = Path(absolute(output))
    check_free(target, overwrite)
    work = f"{target}.work"
    check_ours(Path(work), {labeling.STAGE, training.STAGE, REPLACED, LOCK})
    os.environ.update(config.ray.env_vars)
    encoders = {"router backbone": config.training.backbone, "embedder": config.training.embedder or ""}
    prepare({**encoders, "embedder of tags": source_of(config.labeling.tagger)}, console)
    with alone_in(work):
        labels, read = labeling.run_on_outcomes(config.labeling, outcomes, work, console)
        console.print(pool_of(labels, read.experts, {}).sentence, highlight=False)
        with connected(config.ray) as check:
            router = training.run(config.training, config.labeling, labels, read.experts, work, console, check=check)
        if target.exists():
            shutil.rmtree(Path(work) / REPLACED, ignore_errors=True)  # of an earlier end that was cut short
            target.rename(Path(work) / REPLACED)
        Path(router.path).rename(target)
        (target / MANIFEST).unlink()
        shutil.rmtree(work)


def tune(outcomes: str, output: str, config: TuneConfig, console: Console) -> None:
    """Search for good settings of labels and training; interrupted, the search goes on with what is missing.

    Raises:
        DataError: for a bad outcomes file.
        ArtifactError: if something other than this search lies in `output`.
        StageError: if every trial fails.
    """
    os.environ.update(config.ray.env_vars)
    experiment = tuning.prepare(config, outcomes, output)
    with alone_in(str(experiment.directory)):
        _search(experiment, config, console)


def _search(experiment: tuning.Experiment, config: TuneConfig, console: Console) -> None:
    """Run the trials that are missing, and write what the search came to."""
    failed: dict[int, str] = {}
    if len(experiment.results()) < len(experiment.trials):
        configs = [trial.config for trial in experiment.trials]
        backbones = {f"router backbone {name}": name for name in (one.training.backbone for one in configs)}
        embedders = {f"embedder of tags {name}": name for name in (source_of(one.labeling.tagger) for one in configs)}
        prepare({**backbones, **embedders}, console)
        if config.tuning.space.keys().isdisjoint({"labeling.tagger", "labeling.source_as_tag"}):
            labeling.tag_file(experiment.outcomes, config.labeling, console)
        with connected(config.ray) as check, training.sigint_handler_kept():
            check({"training.resources": least(config.training.resources)})
            failed = tuning.run(experiment, distil_trial, console)
    tuning.conclude(experiment, failed, console)


def distil_trial(
    config: DistillConfig, outcomes: str, work: str, shared: str, console: Console, callbacks: Sequence[UserCallback]
) -> Unit:
    """The labels and the router of one trial, made in `work`; what trials share, in `shared`."""
    labels, read = labeling.run_on_outcomes(config.labeling, outcomes, work, console)
    return training.run(
        config.training, config.labeling, labels, read.experts, work, console, callbacks=callbacks, shared=shared
    )


def route(router: str, queries_path: str, output: str, console: Console) -> int:
    """Route a file of queries; returns the number of rows."""
    predictor = RouterPredictor(router)
    total = sum(1 for _ in read_rows(queries_path))
    return track(route_file(predictor, queries_path, output), total, "routing", console)


def evaluate(
    router: str, outcomes: str, train: str | None, output: str, config: EvaluationConfig, console: Console
) -> None:
    """Evaluate a router directory on the held-out rows of an outcomes file: its split `eval`, or all if it has none.

    Raises:
        ArtifactError: if the router is of another pool.
    """
    predictor = RouterPredictor(router)
    found = read_outcomes(outcomes)
    check_pool(predictor.card, found.experts, router, outcomes)
    held_out = of_split(found.in_order(predictor.experts), "eval", outcomes)
    training = None if train is None else of_split(read_outcomes(train, predictor.experts), "train", train)
    learned = learned_of(router, predictor, training, console)
    console.print(f"{len(held_out.query_ids)} rows to evaluate on", highlight=False)
    if learned.value != value_name(held_out):
        console.print(
            f"baselines were chosen by training {learned.value}s, the report goes by {value_name(held_out)}s",
            highlight=False,
        )
    base = predictor.card.same_weights
    shown = {expert: marked_name(expert, base.get(expert)) for expert in predictor.experts}
    named, ranked = rankings_of(held_out)
    evaluation.evaluate(config, predictor, held_out, learned, shown, ranked, {}, output, console, named)


def rankings_of(outcomes: Outcomes) -> tuple[str, Mapping[str, np.ndarray]]:
    """Whose rewards the outcomes hold, and the rewards (Q, M) by which responses are ranked, by name.

    Ranking by what the report goes by would be the oracle again, and is left out.
    """
    rewards_QM, value_QM = outcomes.rewards_QM, values(outcomes)
    are_metrics = outcomes.metrics_QM is not None and np.array_equal(rewards_QM, value_QM)
    same = [name for name, ranking_QM in outcomes.rankings.items() if np.array_equal(ranking_QM, rewards_QM)]
    named = same[0] if same else "the metrics themselves" if are_metrics else "rewards"
    ranked = {**outcomes.rankings, named: rewards_QM}
    return named, {name: by_QM for name, by_QM in ranked.items() if not np.array_equal(by_QM, value_QM)}


def benchmark(config: BenchmarksConfig, console: Console) -> str:
    """Have the experts answer the benchmarks and grade them, skipping what is complete; returns the outcomes file.

    Raises:
        ZooterError: the first thing that is wrong, in one sentence.
    """
    run_dir = absolute(config.run_dir)
    with alone_in(run_dir):
        write_bytes(posixpath.join(run_dir, "benchmarks.yaml"), dump_config(config).encode())
        os.environ.update(config.ray.env_vars)
        prepare_benchmarks(config, console)
        asks_nobody = not config.answered and not config.reward_models
        with nullcontext(unchecked) if asks_nobody else connected(config.ray) as check:
            generate, score = partial(generation.run, check=check), partial(scoring.run, check=check)
            unit = benchmarks.run(config, run_dir, console, generate, score)
    return posixpath.join(unit.path, benchmarks.OUTCOMES_FILE)


def learned_of(router: str, predictor: RouterPredictor, training: Outcomes | None, console: Console) -> Learned:
    """What baselines know: of these training rows, or of what distillation left with the router."""
    left = evaluation.learned_left(router, predictor.card, console, is_all=training is None)
    if training is None:
        return left
    embed = evaluation.embedder_of(left, console)
    found = learn(rows_of_outcomes(training), embed, left.embedder, 0 if embed is None else embed.max_length)
    seen = [hashes for hashes in (left.seen_Q, found.seen_Q) if hashes is not None]
    return replace(found, seen_Q=np.concatenate(seen))
