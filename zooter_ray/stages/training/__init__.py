"""Stage 5, training: labels -> router directory, by Ray Train on any number of workers.

The epoch that `keep` asks for becomes the router. A worker that dies is replaced from the last checkpoint, and so is a
driver that is started again.
"""

import os
import posixpath
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.train
import ray.train.torch
from ray.util.queue import Queue
from rich.console import Console

from zooter_ray.artifacts import (
    Unit,
    file_system,
    is_complete,
    make_unit,
    package_versions,
    read_table,
    write_bytes,
    write_manifest,
    write_table,
)
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.training import TrainingConfig
from zooter_ray.embedding import EMBEDDED_TOKENS, Embedder
from zooter_ray.errors import StageError
from zooter_ray.evaluation.learned import Learned, learn, rows_of_labels
from zooter_ray.hashing import text_hashes
from zooter_ray.labels import beta_of
from zooter_ray.package_models import absolute_source
from zooter_ray.progress import map_rows, track
from zooter_ray.resources import Check, least, training_kwargs, unchecked
from zooter_ray.router.data import steps_per_epoch, tokenise
from zooter_ray.router.directory import BASELINES_FILE, RouterCard
from zooter_ray.router.export import check_possible
from zooter_ray.router.model import new_tokenizer
from zooter_ray.schemas import LABELS
from zooter_ray.stages.placement import beside_driver
from zooter_ray.stages.reasons import reason_of
from zooter_ray.stages.training import features
from zooter_ray.stages.training.publishing import publish
from zooter_ray.stages.training.worker import Figures, train_worker
from zooter_ray.timing import Stopwatch

STAGE = "05_router"
TOKENS_FILE, CHECKPOINTS = "tokens.parquet", "checkpoints"
# How Ray Train names and orders the epochs that `keep` may ask for.
KEPT = {
    "validation_loss": ("validation_loss", "min"),
    "validation_value": ("validation_value", "max"),
    "last": ("epoch", "max"),
}
FEW_STEPS = 50  # routers earned several points less after 12 to 46 steps than after 90: benchmarks/quality.md
POLL_S = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"


def unit(config: TrainingConfig, labels: Unit, run_dir: str) -> Unit:
    """The one unit of this stage: the router directory."""
    return make_unit(run_dir, STAGE, "router", config.identity(), [labels])


def run(
    config: TrainingConfig,
    labeling: LabelingConfig,
    labels: Unit,
    experts: list[str],
    run_dir: str,
    console: Console,
    same_weights: Mapping[str, str] | None = None,
    callbacks: Sequence[ray.train.UserCallback] = (),
    shared: str | None = None,
    check: Check = unchecked,
) -> Unit:
    """Distil the router, if the unit is not complete; Ray Train tells `callbacks` of every epoch.

    A frozen encoder's features are left in the run directory, or in the directory `shared`, for other heads.

    Raises:
        ConfigError: if its workers ask for what `check` says can never be had.
        StageError: if there is nothing to train on or to validate with.
    """
    router = unit(config, labels, run_dir)
    if is_complete(router):
        return router
    check({"training.resources": least(config.resources)})
    watch = Stopwatch()
    table = read_table(labels.path, LABELS)
    tokenizer = new_tokenizer(config.backbone, config.truncation_side)
    tokens = tokenise(table, tokenizer, config)
    rows = learned_rows(tokens, len(experts))
    check_possible(config, experts)
    learned = learn_baselines(table, experts, config, console)
    if config.frozen:
        held = features.unit(tokens, config, STAGE, shared or run_dir)
        tokens = features.with_features(tokens, config, experts, tokenizer.pad_token_id, held, console)
    write_table(posixpath.join(router.path, TOKENS_FILE), tokens)
    whole = config.for_rows(rows)
    tell_of_few_steps(whole, rows, console)
    loop = {
        "config": whole.model_copy(update={"backbone": absolute_source(config.backbone)}),
        "tokens": posixpath.join(router.path, TOKENS_FILE),
        "pad_token_id": tokenizer.pad_token_id,
        "experts": experts,
    }
    kept, epochs = fit(loop, router.path, rows, watch, console, callbacks)
    validation = {**kept.figures, "epochs": epochs}
    card = describe(config, labeling, labels, table, experts, same_weights or {}, learned, validation)
    write_bytes(posixpath.join(router.path, BASELINES_FILE), learned.to_npz())
    tell_of_calibration(publish(kept.checkpoint, card, config, tokens, router.path), console)
    fs, path = file_system(router.path)
    fs.rm(posixpath.join(path, CHECKPOINTS), recursive=True)
    fs.rm_file(posixpath.join(path, TOKENS_FILE))
    write_manifest(router, table.num_rows, rows, {"not for training": table.num_rows - rows})
    watch.write([router])
    return router


def describe(
    config: TrainingConfig,
    labeling: LabelingConfig,
    labels: Unit,
    table: pa.Table,
    experts: list[str],
    same_weights: Mapping[str, str],
    learned: Learned,
    validation: dict[str, Any],
) -> RouterCard:
    """What zooter.json says of a router that is still to be published."""
    teaching = table.filter((pc.field("split") == "train") & pc.field("has_preference")).num_rows
    return RouterCard(
        experts=experts,
        loss=config.loss,
        beta=beta_of(labeling, teaching),
        temperature=labeling.temperature,
        pooling=config.pooling,
        max_length=config.max_length,
        truncation_side=config.truncation_side,
        calibration=None,
        data_fingerprint=labels.fingerprint,
        versions=package_versions(),
        validation=validation,
        baselines=learned.to_json(),
        same_weights=dict(same_weights),
        labeling=labeling.identity(),
        training=config.identity(),
    )


def learned_rows(tokens: pa.Table, experts: int) -> int:
    """How many rows are trained on.

    Raises:
        StageError: if the rows of a split are missing or say nothing, or fewer teach than there are experts.
    """
    saying = tokens.filter(pc.greater(tokens["weight"], 0))
    counts: dict[str, int] = {split: saying["split"].to_pylist().count(split) for split in ("train", "validation")}
    if counts["train"] < experts or not counts["validation"]:
        found = ", ".join(f"{count} for {split}" for split, count in counts.items())
        raise StageError(
            f"there are too few rows on which experts differ in their rewards ({found}; {experts} experts need as many "
            "to train and one to validate); give more outcomes, or another labeling.validation_share"
        )
    return counts["train"]


def tell_of_few_steps(config: TrainingConfig, rows: int, console: Console) -> None:
    """Say so, if training is over before a router can learn."""
    if (steps := config.epochs * steps_per_epoch(rows, config.batch_size)) < FEW_STEPS:
        told = f"{rows} rows make {steps} steps, which may teach a router too little; training.min_steps adds epochs"
        console.print(told, highlight=False, soft_wrap=True)


def tell_of_calibration(card: RouterCard, console: Console) -> None:
    """Say so, if the validation rows cannot tell what the probabilities are worth."""
    found = card.calibration
    if found and (found["at_bound"] or not found["rows"]):
        told = (
            f"the router's probabilities are not to be trusted: {found['rows']} validation rows on which experts "
            f"differ ask for a temperature of {found['temperature']:.3g}; labeling.validation_share gives more rows"
        )
        console.print(told, highlight=False, soft_wrap=True)


def learn_baselines(labels: pa.Table, experts: list[str], config: TrainingConfig, console: Console) -> Learned:
    """What baselines know of the training rows, so that the router can be compared with them later.

    The embedder reads no more of a query than the router does, which is fair and, for long queries, soon done. Queries
    of validation rows count as seen, though nothing else is learned from them.
    """
    rows = rows_of_labels(labels, experts)
    seen_Q = text_hashes(labels.filter(pc.not_equal(labels["split"], "eval"))["query"].to_pylist())
    if config.embedder is None:
        return replace(learn(rows), seen_Q=seen_Q)
    embed = Embedder(config.embedder, min(EMBEDDED_TOKENS, config.max_length))
    learned = learn(
        rows,
        lambda queries: map_rows(embed, queries, "embedding", console),
        absolute_source(config.embedder),
        embed.max_length,
    )
    return replace(learned, seen_Q=seen_Q)


class Kept(NamedTuple):
    """The epoch that becomes the router."""

    checkpoint: ray.train.Checkpoint
    figures: Figures


def fit(
    loop: dict[str, Any],
    directory: str,
    rows: int,
    watch: Stopwatch,
    console: Console,
    callbacks: Sequence[ray.train.UserCallback] = (),
) -> tuple[Kept, list[Figures]]:
    """Run Ray Train; returns the epoch that `keep` asks for, and the figures of every epoch.

    Raises:
        StageError: if a worker fails more often than may be, or the loss is not finite: why, in one sentence.
    """
    config: TrainingConfig = loop["config"]
    queue = Queue(actor_options=beside_driver())
    figures: dict[int, Figures] = {}
    reasons: list[str] = []
    shown = threading.Thread(
        target=track,
        args=(watch.over(_finished_rows(queue, figures, reasons)), rows * config.epochs, "training", console),
    )
    trainer = ray.train.torch.TorchTrainer(
        train_worker,
        train_loop_config={**loop, "queue": queue},
        scaling_config=ray.train.ScalingConfig(**training_kwargs(config.resources)),
        run_config=run_config(config, directory, callbacks),
    )
    os.environ.setdefault(POLL_S, "0.2")  # Ray's two seconds are longer than a short epoch, which waits for them
    shown.start()
    try:
        with sigint_handler_kept():
            result = trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise StageError(reason_of(error)) from error
    finally:
        queue.put(None)
        shown.join()
        queue.shutdown()
    if reasons:
        raise StageError(reasons[0])
    attribute, order = KEPT[config.keep]
    # Its figures are those that it was reported with: of equal epochs Ray keeps which it likes.
    best = (min if order == "min" else max)(result.best_checkpoints, key=lambda found: found[1][attribute])
    return Kept(*best), [figures[epoch] for epoch in sorted(figures)]


def run_config(
    config: TrainingConfig, directory: str, callbacks: Sequence[ray.train.UserCallback]
) -> ray.train.RunConfig:
    """Where Ray Train keeps checkpoints, and which, and how many failures it survives."""
    attribute, order = KEPT[config.keep]
    return ray.train.RunConfig(
        name=CHECKPOINTS,
        storage_path=directory,
        callbacks=list(callbacks),
        failure_config=ray.train.FailureConfig(max_failures=config.max_failures),
        checkpoint_config=ray.train.CheckpointConfig(
            num_to_keep=1, checkpoint_score_attribute=attribute, checkpoint_score_order=order
        ),
    )


@contextmanager
def sigint_handler_kept() -> Iterator[None]:
    """Put the handler of Ctrl-C back: Ray Train leaves its own, which calls a controller that is gone by then."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


def _finished_rows(queue: Queue, figures: dict[int, Figures], reasons: list[str]) -> Iterator[int]:
    """Rows trained on, as the first worker tells; an epoch's figures go into `figures`, a failure into `reasons`.

    A worker that starts tells what the last checkpoint has: rows that were trained on since are taken back.
    """
    epoch, counted = 1, Counter[int]()
    while (item := queue.get()) is not None:
        if isinstance(item, int):
            counted[epoch] += item
            yield item
        elif isinstance(item, str):
            reasons.append(item)
        elif isinstance(item, list):
            figures.update(enumerate(item, 1))
            epoch = len(item) + 1
            if again := [number for number in counted if number >= epoch]:
                yield -sum(map(counted.pop, again))
        else:
            figures[epoch] = item
            epoch += 1
