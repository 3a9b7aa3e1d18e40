"""UltraRM: LLaMA with a bias-free regression head; the reward is read at the last real token."""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer, LlamaModel, LlamaPreTrainedModel

from zooter_ray.config.scoring import UltraRMReward
from zooter_ray.package_models import resolve_source
from zooter_ray.rewards.base import Pair, Scored
from zooter_ray.rewards.scalar_head import load_strictly, score_in_buckets


class LlamaRewardModel(LlamaPreTrainedModel):  # type: ignore[misc]
    """Parameters as the published checkpoint names them: `model.*` and `regression_head.weight`."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = LlamaModel(config)
        self.regression_head = nn.Linear(config.hidden_size, 1, bias=False)
        self.post_init()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Rewards (B,) of right-padded sequences (B, L)."""
        hidden = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        last = attention_mask.sum(dim=1) - 1
        rewards_B1: torch.Tensor = self.regression_head(hidden[torch.arange(len(last), device=last.device), last])
        return rewards_B1[:, 0]


class UltraRMRewardModel:
    """Scores `Human: {query}` / `Assistant: {response}` prompts."""

    def __init__(self, config: UltraRMReward) -> None:
        self.config = config
        self.tokenizer = AutoTokenizer.from_pretrained(resolve_source(config.source))
        self.tokenizer.padding_side = "right"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.model = load_strictly(LlamaRewardModel, config.id, config.source, config.dtype, config.attention)

    def __call__(self, pairs: Sequence[Pair]) -> list[Scored]:
        """Rewards of the pairs, in their order."""
        encoded = [
            dict(self.tokenizer(prompt(pair), truncation=True, max_length=self.config.max_length)) for pair in pairs
        ]
        pad = functools.partial(self.tokenizer.pad, return_tensors="pt")
        return score_in_buckets(encoded, pad, self._forward, self.config.batch_size)

    def _forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        rewards: torch.Tensor = self.model(batch["input_ids"], batch["attention_mask"])
        return rewards


def prompt(pair: Pair) -> str:
    """The text that UltraRM was trained to read."""
    return f"Human: {pair.query}\n\nAssistant: {pair.response}"
