"""The distillation loop, free of Ray: one epoch over the training rows, one pass over the validation rows.

Losses are sums over a worker's rows, divided by the rows of the whole step; with gradients averaged over workers, the
update is the same for any number of workers.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from zooter_ray.config.training import TrainingConfig
from zooter_ray.router.data import Batch, TokenRows, share, steps, steps_per_epoch
from zooter_ray.router.losses import LOSSES


def make_optimizer(model: nn.Module, config: TrainingConfig, rows: int) -> tuple[torch.optim.Optimizer, Any]:
    """AdamW, and a learning rate that rises over the warm-up and falls linearly to 0 after it."""
    from transformers import get_linear_schedule_with_warmup

    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    total = steps_per_epoch(rows, config.batch_size) * config.epochs
    return optimizer, get_linear_schedule_with_warmup(optimizer, int(config.warmup_share * total), total)


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
    for step in steps(len(rows), config.batch_size, config.seed, epoch):
        loss_sum = batch_loss(model, share(rows, step, rank, world_size), config.loss)
        optimizer.zero_grad()
        torch.autograd.backward(loss_sum * world_size / len(step))
        optimizer.step()
        schedule.step()
        yield loss_sum.item(), len(step)


@torch.inference_mode()
def validation_loss(
    model: nn.Module, rows: TokenRows, config: TrainingConfig, rank: int = 0, world_size: int = 1
) -> float:
    """This worker's sum of the loss over the validation rows; add up over workers and divide by their number."""
    model.eval()
    total = 0.0
    for step in steps(len(rows), config.batch_size, seed=0, epoch=0):
        total += batch_loss(model, share(rows, step, rank, world_size), config.loss).item()
    return total


def batch_loss(model: nn.Module, batch: Batch, loss: str) -> torch.Tensor:
    """Sum of the loss over a batch's rows; bfloat16 where there is a GPU."""
    device = next(model.parameters()).device
    batch = batch.to(device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda"):
        logits_BM = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    return (LOSSES[loss](logits_BM.float(), batch.label_BM) * batch.weight_B).sum()
