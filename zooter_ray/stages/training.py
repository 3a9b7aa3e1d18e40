"""Stage 5, training: labels -> router directory, by Ray Train on any number of workers.

The epoch with the best validation loss is kept. A worker that dies is replaced from the last checkpoint, and so is a
driver that is started again.
"""

import posixpath
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
import ray.train
import ray.train.torch
import torch
from ray.util.queue import Queue
from rich.console import Console
from safetensors.torch import load_file

from zooter_ray.artifacts import (
    Unit,
    file_system,
    is_complete,
    make_unit,
    package_versions,
    read_table,
    write_bytes,
    write_json,
    write_manifest,
    write_table,
)
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.config.training import TrainingConfig
from zooter_ray.embedding import Embedder
from zooter_ray.errors import StageError
from zooter_ray.evaluation.learned import Learned, learn, rows_of_labels
from zooter_ray.package_models import absolute_source
from zooter_ray.progress import track
from zooter_ray.resources import training_kwargs
from zooter_ray.router.data import TokenRows, tokenise
from zooter_ray.router.directory import BASELINES_FILE, ZOOTER_JSON, RouterCard
from zooter_ray.router.distill import make_optimizer, train_epoch, validation_loss
from zooter_ray.router.model import TRUNCATION_SIDE, new_router, new_tokenizer
from zooter_ray.schemas import LABELS
from zooter_ray.timing import Stopwatch

STAGE = "05_router"
TOKENS_FILE = "tokens.parquet"
STATE_FILE = "training_state.pt"


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
) -> Unit:
    """Distil the router, if the unit is not complete; Ray Train tells `callbacks` of every epoch.

    Raises:
        StageError: if there is nothing to train on or to validate with.
    """
    router = unit(config, labels, run_dir)
    if is_complete(router):
        return router
    watch = Stopwatch()
    table = read_table(labels.path, LABELS)
    tokens = tokenise(table, new_tokenizer(config.backbone), config.max_length, hard=config.loss == "hard_label")
    counts = {split: tokens["split"].to_pylist().count(split) for split in ("train", "validation")}
    if not all(counts.values()):
        raise StageError(f"training needs training and validation rows; there are {counts}")
    write_table(posixpath.join(router.path, TOKENS_FILE), tokens)
    learned = learn_baselines(table, experts, config.embedder)  # first, since a missing embedder fails it
    checkpoint, epochs = fit(config, router, experts, counts["train"], watch, console, callbacks)
    best = min(epochs, key=lambda figures: figures["validation_loss"])
    card = RouterCard(
        experts=experts,
        loss=config.loss,
        beta=labeling.beta,
        temperature=labeling.temperature,
        pooling=config.pooling,
        max_length=config.max_length,
        truncation_side=TRUNCATION_SIDE,
        calibration=None,
        data_fingerprint=labels.fingerprint,
        versions=package_versions(),
        validation={**best, "epochs": epochs},
        baselines=learned.to_json(),
        same_weights=dict(same_weights or {}),
    )
    if learned.embedder is not None:
        write_bytes(posixpath.join(router.path, BASELINES_FILE), learned.to_npz())
    _publish(checkpoint, card, router)
    write_manifest(router, table.num_rows, counts["train"], {"not for training": table.num_rows - counts["train"]})
    watch.write([router])
    return router


def learn_baselines(labels: pa.Table, experts: list[str], embedder: str | None) -> Learned:
    """What baselines know of the training rows, so that the router can be compared with them later."""
    rows = rows_of_labels(labels, experts)
    if embedder is None:
        return learn(rows)
    embed = Embedder(embedder)
    return learn(rows, embed, absolute_source(embedder), embed.max_length)


def fit(
    config: TrainingConfig,
    router: Unit,
    experts: list[str],
    rows: int,
    watch: Stopwatch,
    console: Console,
    callbacks: Sequence[ray.train.UserCallback] = (),
) -> tuple[ray.train.Checkpoint, list[dict[str, float]]]:
    """Run Ray Train; returns the best checkpoint and the figures of every epoch."""
    queue = Queue(actor_options={"num_cpus": 0})
    figures: dict[int, dict[str, float]] = {}
    shown = threading.Thread(
        target=track,
        args=(watch.over(_finished_rows(queue, figures)), rows * config.epochs, "training", console),
    )
    trainer = ray.train.torch.TorchTrainer(
        train_worker,
        train_loop_config={
            "config": config.model_copy(update={"backbone": absolute_source(config.backbone)}),
            "tokens": posixpath.join(router.path, TOKENS_FILE),
            "experts": experts,
            "queue": queue,
        },
        scaling_config=ray.train.ScalingConfig(**training_kwargs(config.resources)),
        run_config=ray.train.RunConfig(
            name="checkpoints",
            storage_path=router.path,
            callbacks=list(callbacks),
            failure_config=ray.train.FailureConfig(max_failures=config.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=1, checkpoint_score_attribute="validation_loss", checkpoint_score_order="min"
            ),
        ),
    )  # fmt: skip
    shown.start()
    try:
        with sigint_handler_kept():
            result = trainer.fit()
    finally:
        queue.put(None)
        shown.join()
        queue.shutdown()
    checkpoint = result.get_best_checkpoint("validation_loss", "min")
    return checkpoint, [figures[epoch] for epoch in sorted(figures)]


@contextmanager
def sigint_handler_kept() -> Iterator[None]:
    """Put the handler of Ctrl-C back: Ray Train leaves its own, which calls a controller that is gone by then."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)


def _finished_rows(queue: Queue, figures: dict[int, dict[str, float]]) -> Iterator[int]:
    """Rows trained on, as the first worker reports them; the figures of an epoch go into `figures`."""
    while (item := queue.get()) is not None:
        if isinstance(item, int):
            yield item
        else:
            figures[int(item["epoch"])] = item


def train_worker(loop: dict[str, Any]) -> None:
    """What each worker of Ray Train runs."""
    config: TrainingConfig = loop["config"]
    queue: Queue = loop["queue"]
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    tokenizer = new_tokenizer(config.backbone)
    fs, path = file_system(loop["tokens"])
    tokens = pq.read_table(path, filesystem=fs)
    train, validation = (TokenRows(tokens, split, tokenizer.pad_token_id) for split in ("train", "validation"))
    model = ray.train.torch.prepare_model(new_router(config.backbone, loop["experts"], config.seed))
    optimizer, schedule = make_optimizer(model, config, len(train))
    history = _restore(model, optimizer, schedule)
    if rank == 0:
        for figures in history:
            queue.put(figures)
    for epoch in range(len(history), config.epochs):
        # A resumed epoch drops what it would have dropped in a run without interruption.
        torch.manual_seed(np.random.SeedSequence((config.seed, epoch, rank)).generate_state(1).item())
        loss = 0.0
        for step_loss, step_rows in train_epoch(model, optimizer, schedule, train, config, epoch, rank, world_size):
            loss += step_loss
            if rank == 0:
                queue.put(step_rows)
        held_out = validation_loss(model, validation, config, rank, world_size)
        losses = _sum_over_workers([loss, held_out])
        if not np.isfinite(losses).all():
            raise StageError(f"the loss of epoch {epoch + 1} is not finite; a smaller training.learning_rate may help")
        figures = {"epoch": epoch + 1, "loss": losses[0] / len(train), "validation_loss": losses[1] / len(validation)}
        if rank == 0:
            queue.put(figures)
        history.append(figures)
        _report(history, model, optimizer, schedule, tokenizer, rank)


def _sum_over_workers(values: list[float]) -> list[float]:
    """The values summed over all workers."""
    if ray.train.get_context().get_world_size() == 1:
        return values
    tensor = torch.tensor(values, dtype=torch.float64, device=ray.train.torch.get_device())
    torch.distributed.all_reduce(tensor)
    summed: list[float] = tensor.tolist()
    return summed


def _unwrapped(model: torch.nn.Module) -> Any:
    return model.module if isinstance(model, torch.nn.parallel.DistributedDataParallel) else model


def _report(
    history: list[dict[str, float]], model: torch.nn.Module, optimizer: Any, schedule: Any, tokenizer: Any, rank: int
) -> None:
    """Report the epoch that just ended; the first worker saves the checkpoint."""
    if rank != 0:
        ray.train.report(history[-1])
        return
    with tempfile.TemporaryDirectory() as directory:
        _unwrapped(model).save_pretrained(directory)
        tokenizer.save_pretrained(directory)
        state = {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "history": history}
        torch.save(state, Path(directory) / STATE_FILE)
        ray.train.report(history[-1], checkpoint=ray.train.Checkpoint.from_directory(directory))


def _restore(model: torch.nn.Module, optimizer: Any, schedule: Any) -> list[dict[str, float]]:
    """Load the last checkpoint, if there is one; returns the figures of the epochs that are done."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return []
    with checkpoint.as_directory() as directory:
        _unwrapped(model).load_state_dict(load_file(Path(directory) / "model.safetensors"))
        state = torch.load(Path(directory) / STATE_FILE, weights_only=True)
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    history: list[dict[str, float]] = state["history"]
    return history


def _publish(checkpoint: ray.train.Checkpoint, card: RouterCard, router: Unit) -> None:
    """Copy the best checkpoint into the router directory, add zooter.json, drop what only training needed."""
    with checkpoint.as_directory() as directory:
        for file in sorted(Path(directory).iterdir()):
            if file.is_file() and file.name not in (STATE_FILE, ".metadata.json"):
                write_bytes(posixpath.join(router.path, file.name), file.read_bytes())
    write_json(posixpath.join(router.path, ZOOTER_JSON), card.to_json())
    fs, path = file_system(router.path)
    fs.rm(posixpath.join(path, "checkpoints"), recursive=True)
    fs.rm_file(posixpath.join(path, TOKENS_FILE))
