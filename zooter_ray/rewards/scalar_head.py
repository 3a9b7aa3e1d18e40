"""Score tokenised pairs with a model that gives one scalar per sequence, in batches of like lengths."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from zooter_ray.batching import length_buckets
from zooter_ray.rewards.base import Scored


def device() -> torch.device:
    """The GPU that Ray gave this process, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def score_in_buckets(
    encoded: Sequence[dict[str, list[int]]],
    pad: Callable[[list[dict[str, list[int]]]], dict[str, torch.Tensor]],
    forward: Callable[[dict[str, torch.Tensor]], torch.Tensor],
    batch_size: int,
) -> list[Scored]:
    """Rewards of tokenised sequences, in their order.

    Args:
        encoded: one mapping of token ids (and the like) per sequence.
        pad: makes a batch of tensors (B, L).
        forward: rewards (B,) of a batch on the right device.
        batch_size: sequences per batch.
    """
    rewards = [math.nan] * len(encoded)
    for bucket in length_buckets([len(item["input_ids"]) for item in encoded], batch_size):
        batch = {name: tensor.to(device()) for name, tensor in pad([encoded[i] for i in bucket]).items()}
        for index, reward in zip(bucket, forward(batch).float().cpu().tolist(), strict=True):
            rewards[index] = reward
    return [Scored(reward) if math.isfinite(reward) else Scored(None, f"the reward is {reward}") for reward in rewards]


def load_kwargs(dtype: str) -> dict[str, Any]:
    """Arguments of `from_pretrained`: the dtype by name."""
    return {"dtype": dtype if dtype == "auto" else getattr(torch, dtype)}
