"""The distillation loop, free of Ray: one epoch over the training rows, one pass over the validation rows.

Losses are sums over a worker's rows, divided by the weight of the whole step; with gradients averaged over workers, the
update is the same for any number of workers.
"""

import contextlib
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from zooter_ray.config.training import TrainingConfig
from zooter_ray.router.data import Batch, TokenRows, passes, share, steps, steps_per_epoch
from zooter_ray.router.losses import LOSSES


def make_optimizer(model: nn.Module, config: TrainingConfig, rows: int) -> tuple[torch.optim.Optimizer, Any]:
    """AdamW, and a learning rate that rises over the warm-up and falls linearly to 0 after it."""
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.AdamW(_groups(model, config), lr=config.learning_rate, weight_decay=config.weight_decay)
    total = steps_per_epoch(rows, config.batch_size) * config.epochs
    return optimizer, get_linear_schedule_with_warmup(optimizer, int(config.warmup_share * total), total)


def _groups(model: nn.Module, config: TrainingConfig) -> list[dict[str, Any]]:
    """All parameters with one learning rate, or those of the head apart with their own."""
    if config.head_learning_rate is None:
        return [{"params": list(model.parameters())}]
    inside = f"{model.base_model_prefix}."
    body = [parameter for name, parameter in model.named_parameters() if name.startswith(inside)]
    head = [parameter for name, parameter in model.named_parameters() if not name.startswith(inside)]
    return [{"params": body}, {"params": head, "lr": config.head_learning_rate}]


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Any,
    rows: TokenRows,
    config: TrainingConfig,
    epoch: int,
    rank: int = 0,
    world_size: int = 1,
) -> Iterator[tuple[float, int]]:
    """Train over every row once; yields (this worker's loss sum, rows of the whole step) after each step."""
    model.train()
    for step in steps(rows.lengths, config.batch_size, config.bucket_steps, config.seed, epoch):
        loss_sum = _accumulate(model, rows, step, config, rank, world_size)
        if config.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        yield loss_sum, len(step)


def _accumulate(
    model: nn.Module, rows: TokenRows, step: np.ndarray, config: TrainingConfig, rank: int, world_size: int
) -> float:
    """Add up the gradients of a step's mean loss, pass by pass; returns this worker's loss sum.

    Workers exchange gradients in the last pass only.
    """
    scale = world_size / float(rows.weight_Q[step].sum())
    parts = passes(step, config.rows_per_pass, world_size)
    total = 0.0
    for number, part in enumerate(parts, 1):
        waits = isinstance(model, DistributedDataParallel) and number < len(parts)
        with cast("DistributedDataParallel", model).no_sync() if waits else contextlib.nullcontext():
            loss_sum = batch_loss(model, share(rows, part, rank, world_size), config)
            torch.autograd.backward(loss_sum * scale)
        total += loss_sum.item()
    return total


@torch.inference_mode()
def logits_of(
    model: nn.Module, rows: TokenRows, config: TrainingConfig, rank: int = 0, world_size: int = 1
) -> np.ndarray:
    """Logits (Q, M) of this worker's share of the rows; 0 in the others, so that the sum over workers is whole."""
    model.eval()
    result_QM = np.zeros(rows.label_QM.shape)
    for step in steps(rows.lengths, config.batch_size, bucket_steps=len(rows), seed=0, epoch=0):
        mine = step[rank::world_size]
        if len(mine):
            result_QM[mine] = _logits(model, rows.batch(mine), config).cpu().numpy()
    return result_QM


def batch_loss(model: nn.Module, batch: Batch, config: TrainingConfig) -> torch.Tensor:
    """Weighted sum of the loss over a batch's rows."""
    logits_BM = _logits(model, batch, config)
    batch = batch.to(logits_BM.device)
    return (LOSSES[config.loss](logits_BM, batch.label_BM) * batch.weight_B).sum()


def _logits(model: nn.Module, batch: Batch, config: TrainingConfig) -> torch.Tensor:
    """Logits (B, M) in single precision, whatever is inside."""
    device = next(model.parameters()).device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=_in_bfloat16(config, device)):
        logits_BM: torch.Tensor = model(**batch.to(device).inputs).logits
    return logits_BM.float()


def _in_bfloat16(config: TrainingConfig, device: torch.device) -> bool:
    """As `mixed_precision` says; unsaid, where a GPU has bfloat16 of its own: emulated, it is slower than float32."""
    if config.mixed_precision is not None:
        return config.mixed_precision
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
