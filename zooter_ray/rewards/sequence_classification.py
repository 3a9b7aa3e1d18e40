"""Hugging Face reward models with a scalar head.

`text_pair` tokenises (query, response) as the model's own two segments (OpenAssistant's DeBERTa); `chat` renders them
with the model's chat template (Skywork-Reward and its kind).
"""

import functools
from collections.abc import Sequence

from zooter_ray.config.scoring import SequenceClassificationReward
from zooter_ray.errors import ConfigError
from zooter_ray.package_models import resolve_source
from zooter_ray.rewards.base import Pair, Scored
from zooter_ray.rewards.scalar_head import device, load_kwargs, score_in_buckets


class SequenceClassificationRewardModel:
    """A sequence classifier with one output; its logit is the reward."""

    def __init__(self, config: SequenceClassificationReward) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        source = resolve_source(config.source)
        self.config = config
        self.tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModelForSequenceClassification.from_pretrained(source, **load_kwargs(config.dtype))
        if model.config.num_labels != 1:
            raise ConfigError(f"reward model {config.id!r} has {model.config.num_labels} outputs, where one is needed")
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        if model.config.pad_token_id is None:
            model.config.pad_token_id = self.tokenizer.pad_token_id
        self.model = model.to(device()).eval()

    def __call__(self, pairs: Sequence[Pair]) -> list[Scored]:
        """Rewards of the pairs, in their order."""
        encoded = [self.encode(pair) for pair in pairs]
        pad = functools.partial(self.tokenizer.pad, return_tensors="pt")
        return score_in_buckets(encoded, pad, lambda batch: self.model(**batch).logits[:, 0], self.config.batch_size)

    def encode(self, pair: Pair) -> dict[str, list[int]]:
        """One pair, tokenised and cut the model's way."""
        limit = self.config.max_length
        if self.config.pairs == "text_pair":
            return dict(self.tokenizer(pair.query, pair.response, truncation=True, max_length=limit))
        messages = [{"role": "user", "content": pair.query}, {"role": "assistant", "content": pair.response}]
        text = self.tokenizer.apply_chat_template(messages, tokenize=False)
        return dict(self.tokenizer(text, add_special_tokens=False, truncation=True, max_length=limit))
