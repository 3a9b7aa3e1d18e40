"""Hugging Face reward models with a scalar head.

`text_pair` tokenises (query, response) as the model's own two segments (OpenAssistant's DeBERTa); `chat` renders them
with the model's chat template (Skywork-Reward and its kind).
"""

import functools
from collections.abc import Sequence

import torch

from zooter_ray.config.scoring import SequenceClassificationReward
from zooter_ray.errors import ConfigError
from zooter_ray.package_models import resolve_source
from zooter_ray.positions import positions_of
from zooter_ray.rewards.base import Pair, Scored
from zooter_ray.rewards.scalar_head import load_strictly, score_in_buckets


class SequenceClassificationRewardModel:
    """A sequence classifier with one output; its logit is the reward."""

    def __init__(self, config: SequenceClassificationReward) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        self.config = config
        self.tokenizer = AutoTokenizer.from_pretrained(resolve_source(config.source))
        self.model = load_strictly(
            AutoModelForSequenceClassification, config.id, config.source, config.dtype, config.attention
        )
        outputs = self.model.config.num_labels
        if outputs != 1:
            raise ConfigError(f"reward model {config.id!r} has {outputs} outputs, where one is needed")
        positions = positions_of(self.model)
        if positions is not None and positions < config.max_length:
            raise ConfigError(
                f"reward model {config.id!r} has positions for {positions} tokens; set max_length to that or less"
            )
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self.tokenizer.padding_side = "right"

    def __call__(self, pairs: Sequence[Pair]) -> list[Scored]:
        """Rewards of the pairs, in their order."""
        encoded = [self.encode(pair) for pair in pairs]
        pad = functools.partial(self.tokenizer.pad, return_tensors="pt")
        return score_in_buckets(encoded, pad, self._forward, self.config.batch_size)

    def _forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Rewards (B,). A decoder's own class looks for the last token that is not padding by its id, and so misses an
        end of text that is padding too; the attention mask knows better.
        """
        if not hasattr(self.model, "score"):
            logits: torch.Tensor = self.model(**batch).logits
            return logits[:, 0]
        hidden = self.model.base_model(**batch).last_hidden_state
        last = batch["attention_mask"].sum(dim=1) - 1
        rewards: torch.Tensor = self.model.score(hidden[torch.arange(len(last), device=last.device), last])
        return rewards[:, 0]

    def encode(self, pair: Pair) -> dict[str, list[int]]:
        """One pair, tokenised and cut the model's way."""
        limit = self.config.max_length
        if self.config.pairs == "text_pair":
            return dict(self.tokenizer(pair.query, pair.response, truncation=True, max_length=limit))
        messages = [{"role": "user", "content": pair.query}, {"role": "assistant", "content": pair.response}]
        text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        return dict(self.tokenizer(text, add_special_tokens=False, truncation=True, max_length=limit))
