"""Load models that give one scalar per sequence, and score tokenised sequences in batches of like lengths."""

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch

from zooter_ray.batching import length_buckets
from zooter_ray.errors import ConfigError
from zooter_ray.package_models import resolve_source
from zooter_ray.rewards.base import Scored

KEYS_SHOWN = 5  # of many parameters that are wrong in the same way


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


def load_strictly(model_class: Any, model_id: str, source: str, dtype: str, attention: str | None = None) -> Any:
    """A model on this process's device, ready to score, every parameter of which comes out of its checkpoint.

    Left to itself, transformers makes up what a checkpoint lacks at random and only warns; such rewards would be noise.
    Buffers that older versions saved and newer ones compute (position_ids, rotary_emb.inv_freq) are no deviation.

    Args:
        model_class: what has `from_pretrained`.
        model_id: the id in the config, for the message.
        dtype: a dtype of torch by name; `auto` is the checkpoint's own.
        attention: an implementation by its name in transformers. None is transformers' choice: SDPA where the
            architecture has it (LLaMA and most others), else eager (DeBERTa-v2).

    Raises:
        ConfigError: if a parameter is missing, has another shape, or is one that the model does not have.
    """
    path = resolve_source(source)
    torch_dtype = dtype if dtype == "auto" else getattr(torch, dtype)
    chosen = {} if attention is None else {"attn_implementation": attention}
    model, found = model_class.from_pretrained(
        path, dtype=torch_dtype, output_loading_info=True, ignore_mismatched_sizes=True, **chosen
    )
    mismatched = [f"{key} {list(there)} instead of {list(here)}" for key, there, here in found["mismatched_keys"]]
    wrong = {"missing": found["missing_keys"], "of another shape": mismatched, "unexpected": found["unexpected_keys"]}
    faults = [f"{fault}: {_some(keys)}" for fault, keys in wrong.items() if keys]
    if faults:
        raise ConfigError(f"the checkpoint {path} of reward model {model_id!r} does not fit: {'; '.join(faults)}")
    return model.to(device()).eval()


def _some(keys: Collection[str]) -> str:
    rest = len(keys) - KEYS_SHOWN
    return ", ".join(sorted(keys)[:KEYS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
