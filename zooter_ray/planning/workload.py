"""How much there is to do: numbers of queries, and tokens of queries and responses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from zooter_ray.config.generation import ExpertConfig

JINJA = re.compile(r"\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
CHARACTERS_PER_TOKEN = 4.0  # English text under the vocabularies of today; also bytes per token
COMPRESSION = 0.5  # Parquet's default codec on such text


@dataclass(frozen=True)
class Workload:
    """Sizes of a run. Tokens are means per row."""

    read: float  # queries in the sources, which are cleaned and tagged
    queries: float  # that are drawn, and answered by every expert
    eval_share: float  # of the drawn ones, held out
    train_share: float  # of the others, trained on; the rest validates
    query_tokens: float
    response_tokens: float
    measured: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # (prompt, generated) by expert

    @property
    def train(self) -> float:
        """Queries that the router is trained on."""
        return self.queries * (1 - self.eval_share) * self.train_share

    def tokens(self, expert: ExpertConfig) -> tuple[float, float]:
        """(prompt, generated) tokens per response of an expert, within its decoding."""
        prompt = self.query_tokens + template_tokens(expert)
        prompt, generated = self.measured.get(expert.id, (prompt, self.response_tokens))
        return prompt, min(generated, expert.decoding.max_tokens)

    @property
    def text_bytes(self) -> float:
        """Bytes on disk per token of text."""
        return CHARACTERS_PER_TOKEN * COMPRESSION


def template_tokens(expert: ExpertConfig) -> float:
    """Roughly what an expert's template and system prompt add to a query: their text without Jinja, in tokens."""
    text = JINJA.sub("", expert.chat_template or "") + (expert.system_prompt or "")
    return len(text) / CHARACTERS_PER_TOKEN
