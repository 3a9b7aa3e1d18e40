"""What each worker of Ray Train runs: epochs, their figures, and a checkpoint after each."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import ray.train
import ray.train.torch
import torch
from ray.util.queue import Queue
from safetensors.torch import load_model, save_model

from zooter_ray.artifacts import file_system
from zooter_ray.config.training import TrainingConfig
from zooter_ray.evaluation.metrics import mean_over_sources
from zooter_ray.router.data import TokenRows
from zooter_ray.router.distill import logits_of, make_optimizer, train_epoch
from zooter_ray.router.losses import mean_loss
from zooter_ray.router.model import WEIGHTS_FILE, new_router, start_at, trained_part

STATE_FILE, LOGITS_FILE = "training_state.pt", "validation_logits.npy"

NOT_FINITE = "the loss of epoch {epoch} is not finite; a smaller training.learning_rate may help"

Figures = dict[str, float]


def train_worker(loop: dict[str, Any]) -> None:
    """Train from the last checkpoint, if there is one, to the last epoch."""
    config: TrainingConfig = loop["config"]
    queue: Queue = loop["queue"]
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    train, validation = read_rows(loop["tokens"], loop["pad_token_id"])
    router = router_at_start(config, loop["experts"], train)
    model = ray.train.torch.prepare_model(trained_part(router, config.frozen))
    optimizer, schedule = make_optimizer(_unwrapped(model), config, len(train))
    history = _restore(model, optimizer, schedule)
    if rank == 0:
        queue.put(history)
    for epoch in range(len(history), config.epochs):
        if out_of_patience(history, config.patience):
            break
        # Random numbers follow from the epoch: a resumed one drops what it would have dropped in an unbroken run.
        torch.manual_seed(np.random.SeedSequence((config.seed, epoch, rank)).generate_state(1).item())
        loss = 0.0
        for step_loss, step_rows in train_epoch(model, optimizer, schedule, train, config, epoch, rank, world_size):
            loss += step_loss
            if rank == 0:
                queue.put(step_rows)
        # Unwrapped: with fewer rows than workers some have none, and would not take part in what a wrapped model sends.
        logits_QM = _sum_over_workers(logits_of(_unwrapped(model), validation, config, rank, world_size))
        figures = {
            "epoch": epoch + 1,
            "loss": _sum_over_workers(np.array([loss])).item() / float(train.weight_Q.sum()),
            **validation_figures(logits_QM, validation, config.loss),
        }
        finite = bool(np.isfinite(list(figures.values())).all())
        if rank == 0:
            queue.put(figures if finite else NOT_FINITE.format(epoch=epoch + 1))
        if not finite:
            return  # told, not raised: Ray Train would try again what is certain to come back
        history.append(figures)
        _report(history, model, optimizer, schedule, logits_QM, rank)


def router_at_start(config: TrainingConfig, experts: list[str], train: TokenRows) -> Any:
    """The router before the first step, its head as `head_start` says."""
    router = new_router(config, experts)
    if config.head_start == "mean_label":
        start_at(router, np.average(train.label_QM, axis=0, weights=train.weight_Q))
    return router


def read_rows(tokens: str, pad_token_id: int) -> tuple[TokenRows, TokenRows]:
    """Training and validation rows of a tokenised table."""
    fs, path = file_system(tokens)
    table = pq.read_table(path, filesystem=fs)
    return TokenRows(table, "train", pad_token_id), TokenRows(table, "validation", pad_token_id)


def validation_figures(logits_QM: np.ndarray, rows: TokenRows, loss: str) -> Figures:
    """The loss over the validation rows, and what the chosen experts are worth: a mean over sources."""
    value_Q = rows.value_QM[np.arange(len(rows)), logits_QM.argmax(axis=1)]
    return {
        "validation_loss": mean_loss(loss, logits_QM, rows.label_QM, rows.weight_Q),
        "validation_value": mean_over_sources(value_Q, rows.sources),
    }


def out_of_patience(history: list[Figures], patience: int | None) -> bool:
    """Whether the last `patience` epochs have all failed to lower the validation loss."""
    if patience is None or len(history) <= patience:
        return False
    losses = [figures["validation_loss"] for figures in history]
    return min(losses[-patience:]) >= min(losses[:-patience])


def _sum_over_workers(values: np.ndarray) -> np.ndarray:
    """The values summed over all workers."""
    if ray.train.get_context().get_world_size() == 1:
        return values
    tensor = torch.tensor(values, device=ray.train.torch.get_device())
    torch.distributed.all_reduce(tensor)
    summed: np.ndarray = tensor.cpu().numpy()
    return summed


def _unwrapped(model: torch.nn.Module) -> Any:
    return model.module if isinstance(model, torch.nn.parallel.DistributedDataParallel) else model


def _report(
    history: list[Figures],
    model: torch.nn.Module,
    optimizer: Any,
    schedule: Any,
    logits_QM: np.ndarray,
    rank: int,
) -> None:
    """Report the epoch that just ended; the first worker saves the checkpoint."""
    if rank != 0:
        ray.train.report(history[-1])
        return
    with tempfile.TemporaryDirectory() as directory:
        save_model(_unwrapped(model), str(Path(directory) / WEIGHTS_FILE))
        np.save(Path(directory) / LOGITS_FILE, logits_QM)
        state = {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(), "history": history}
        torch.save(state, Path(directory) / STATE_FILE)
        ray.train.report(history[-1], checkpoint=ray.train.Checkpoint.from_directory(directory))


def _restore(model: torch.nn.Module, optimizer: Any, schedule: Any) -> list[Figures]:
    """Load the last checkpoint, if there is one; returns the figures of the epochs that are done."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return []
    with checkpoint.as_directory() as directory:
        load_model(_unwrapped(model), Path(directory) / WEIGHTS_FILE)
        state = torch.load(Path(directory) / STATE_FILE, weights_only=True)
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    history: list[Figures] = state["history"]
    return history
