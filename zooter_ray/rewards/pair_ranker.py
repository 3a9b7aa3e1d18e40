"""PairRM: a DeBERTa that reads a query and two responses at once and says by how much the first is the better one.

Parameters, input and truncation are those of llm-blender/PairRM-hf (Jiang et al., "LLM-Blender", ACL 2023).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers import AutoTokenizer, DebertaV2Model, DebertaV2PreTrainedModel

from zooter_ray.config.scoring import PairRankerReward
from zooter_ray.errors import ConfigError
from zooter_ray.package_models import resolve_source
from zooter_ray.rewards.base import Match, Scored
from zooter_ray.rewards.scalar_head import load_strictly, score_in_buckets

SOURCE, FIRST, SECOND = "<|source|>", "<|candidate1|>", "<|candidate2|>"
PREFIX_IDS = {SOURCE: "source_prefix_id", FIRST: "cand1_prefix_id", SECOND: "cand2_prefix_id"}  # in config.json


class DebertaPairRanker(DebertaV2PreTrainedModel):  # type: ignore[misc]
    """Parameters as the published checkpoint names them: `pretrained_model.*` and `head_layer.*`."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.pretrained_model = DebertaV2Model(config)
        self.head_layer = nn.Sequential(
            nn.Dropout(config.drop_out),
            nn.Linear(2 * config.hidden_size, config.hidden_size),
            nn.Tanh(),
            nn.Dropout(config.drop_out),
            nn.Linear(config.hidden_size, config.n_tasks),
        )
        self.post_init()

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, prefixes: torch.Tensor) -> torch.Tensor:
        """Logits (B,) of sequences (B, L): head(query, first) - head(query, second), the mean over the tasks.

        `prefixes` (B, 3) says where the prefixes of query, first and second response stand; they are read there.
        """
        hidden_BLD = self.pretrained_model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        rows_B1 = torch.arange(len(prefixes), device=prefixes.device).unsqueeze(1)
        query_BD, first_BD, second_BD = hidden_BLD[rows_B1, prefixes].unbind(dim=1)
        left = self.head_layer(torch.cat([query_BD, first_BD], dim=-1))
        right = self.head_layer(torch.cat([query_BD, second_BD], dim=-1))
        logits_B: torch.Tensor = (left - right).mean(dim=-1)
        return logits_B


class PairRankerModel:
    """Compares two responses to a query; the logit is not antisymmetric, so that both orders say something."""

    def __init__(self, config: PairRankerReward) -> None:
        self.config = config
        self.tokenizer = AutoTokenizer.from_pretrained(resolve_source(config.source))
        self.tokenizer.padding_side = "right"
        self.model = load_strictly(DebertaPairRanker, config.id, config.source, config.dtype)
        self.prefix_ids = {prefix: getattr(self.model.config, name) for prefix, name in PREFIX_IDS.items()}
        for prefix, expected in self.prefix_ids.items():
            if self.tokenizer.convert_tokens_to_ids(prefix) != expected:
                raise ConfigError(f"reward model {config.id!r}: {prefix} is not token {expected} of its tokenizer")

    def __call__(self, matches: Sequence[Match]) -> list[Scored]:
        """By how much the first response of each match is better than the second (a logit), in their order."""
        encoded = [self.encode(match) for match in matches]
        return score_in_buckets(encoded, self._pad, self._forward, self.config.batch_size)

    def encode(self, match: Match) -> dict[str, list[int]]:
        """Query, first and second response one behind the other, each with its prefix and special tokens of its own.

        The query is cut first; the responses then share evenly what is left of the whole.
        """
        limit = self.config.max_source_length
        query = self._tokens(SOURCE, match.query, limit)
        room = (limit + 2 * self.config.max_candidate_length - len(query)) // 2
        parts = [query, self._tokens(FIRST, match.first, room), self._tokens(SECOND, match.second, room)]
        starts = [0, len(query), len(query) + len(parts[1])]
        # Looked for in its own part: a text may contain what looks like another part's prefix.
        prefixes = [
            start + part.index(token)
            for start, part, token in zip(starts, parts, self.prefix_ids.values(), strict=True)
        ]
        return {"input_ids": [token for part in parts for token in part], "prefixes": prefixes}

    def _tokens(self, prefix: str, text: str, limit: int) -> list[int]:
        ids: list[int] = self.tokenizer(prefix + text, truncation=True, max_length=limit)["input_ids"]
        return ids

    def _pad(self, items: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        padded = self.tokenizer.pad({"input_ids": [item["input_ids"] for item in items]}, return_tensors="pt")
        return {**padded, "prefixes": torch.tensor([item["prefixes"] for item in items])}

    def _forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        logits: torch.Tensor = self.model(**batch)
        return logits
