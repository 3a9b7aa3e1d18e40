"""Settings of the scoring stage: the reward models."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zooter_ray.config.base import Config, is_safe_id
from zooter_ray.config.generation import Decoding, Engine, VllmEngine
from zooter_ray.config.resources import StageResources

GRADING_VERSION = 2  # of zooter_ray.grading; raised where the same response may get another grade
LLAMA_2_TEMPLATE = "{{ bos_token }}[INST] {% for message in messages %}{{ message.content }}{% endfor %} [/INST]"


class ReferenceReward(Config):
    """1 where the response passes the check against the query's reference, else 0."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources"})
    id: str = "reference"
    kind: Literal["reference"] = "reference"
    wall_seconds: float = Field(5.0, gt=0, description="time limit of a query's unit tests")
    memory_mb: int = Field(512, ge=64, description="memory limit of a query's unit tests")
    resources: StageResources = Field(default_factory=StageResources)

    def identity(self) -> dict[str, Any]:
        """The settings, and how responses are read: a later version that reads them otherwise grades them anew."""
        return {**super().identity(), "grading": GRADING_VERSION}


class SequenceClassificationReward(Config):
    """A Hugging Face reward model with a scalar head."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources", "batch_size", "token_env", "attention"})
    id: str
    kind: Literal["sequence_classification"] = "sequence_classification"
    source: str = Field(description="Hugging Face name or local path")
    pairs: Literal["text_pair", "chat"] = Field(
        "text_pair", description="how (query, response) is tokenised: as a text pair, or by the chat template"
    )
    max_length: int = Field(1024, ge=8)
    dtype: str = "auto"
    attention: str | None = Field(
        None, description="attn_implementation of transformers, say flash_attention_2; null: SDPA where there is one"
    )
    batch_size: int = Field(16, ge=1)
    token_env: str | None = None
    resources: StageResources = Field(default_factory=StageResources)


class UltraRMReward(Config):
    """UltraRM: LLaMA with a scalar regression head on the last token."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources", "batch_size", "token_env", "attention"})
    id: str
    kind: Literal["ultrarm"] = "ultrarm"
    source: str = "openbmb/UltraRM-13b"
    max_length: int = Field(4096, ge=8)
    dtype: str = "bfloat16"
    attention: str | None = Field(
        None, description="attn_implementation of transformers, say flash_attention_2; null: SDPA where there is one"
    )
    batch_size: int = Field(8, ge=1)
    token_env: str | None = None
    resources: StageResources = Field(default_factory=lambda: StageResources(num_gpus=1))


class PairRankerReward(Config):
    """PairRM: compares two responses to a query; a response's reward follows from its comparisons with all others."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources", "batch_size", "token_env"})
    id: str
    kind: Literal["pair_ranker"] = "pair_ranker"
    source: str = "llm-blender/PairRM-hf"
    max_source_length: int = Field(1224, ge=8, description="tokens of a query")
    max_candidate_length: int = Field(
        412, ge=8, description="tokens of a response, which may also use what the query has left over"
    )
    dtype: str = "auto"
    batch_size: int = Field(16, ge=1)
    token_env: str | None = None
    resources: StageResources = Field(default_factory=lambda: StageResources(num_gpus=1))


# What Auto-J was trained to be asked about one response; the two blanks in the second line are part of it.
AUTO_J_PROMPT = (
    "Write critiques for a submitted response on a given user's query, and grade the response:\n  \n[BEGIN DATA]\n***\n"
    "[Query]: {query}\n***\n[Response]: {response}\n***\n[END DATA]\n\nWrite critiques for this response. After that, "
    "you should give a final rating for the response on a scale of 1 to 10 by strictly following this format: "
    '"[[rating]]", for example: "Rating: [[5]]".'
)


class GenerativeReward(Config):
    """A judge: an LLM that rates a response. Any engine of an expert will do, an OpenAI-compatible endpoint too."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"block_rows"})
    id: str
    kind: Literal["generative"] = "generative"
    engine: Engine = Field(
        default_factory=lambda: VllmEngine(source="GAIR/autoj-13b", dtype="float16", max_model_len=4096)
    )
    prompt: str = Field(AUTO_J_PROMPT, description="with {query}, {response} and, if need be, {reference} in it")
    rating: str = Field(r"\[\[(\d+)\]\]", description="regular expression; its one group is the rating, an integer")
    scale: tuple[int, int] = Field((1, 10), description="least and highest rating")
    chat_template: str | None = Field(None, description="null: the one that comes with the tokenizer")
    system_prompt: str | None = None
    decoding: Decoding = Field(default_factory=lambda: Decoding(temperature=0.0, max_tokens=1024))
    attempts: int = Field(3, ge=1, description="how often the judge is asked, until a rating can be read")
    retry_temperature: float = Field(0.7, gt=0, description="of later attempts; the same question has the same reply")
    max_characters: int = Field(6000, ge=100, description="of a query, and of a response; the rest is cut")
    block_rows: int = Field(64, ge=1, le=64, description="rows that are committed together")

    @model_validator(mode="before")
    @classmethod
    def _auto_j_has_its_own_template(cls, values: Any) -> Any:
        if isinstance(values, dict) and "engine" not in values:
            return {"chat_template": LLAMA_2_TEMPLATE, **values}
        return values

    @model_validator(mode="after")
    def _prompt_and_rating_fit(self) -> Self:
        if "{response}" not in self.prompt:
            raise ValueError("the prompt of a judge must have {response} in it")
        try:
            groups = re.compile(self.rating).groups
        except re.error as error:
            raise ValueError(f"rating is no regular expression: {error}") from None
        if groups != 1:
            raise ValueError(f"rating must have one group, not {groups}")
        if self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale must rise, not {self.scale}")
        if getattr(self.engine, "budget", None) is not None:
            raise ValueError("a budget is for experts; a judge's endpoint has none")
        window = getattr(self.engine, "max_model_len", None)
        if window is not None and self.decoding.max_tokens >= window:
            raise ValueError(f"judge {self.id!r}: {self.decoding.max_tokens} new tokens do not fit into {window}")
        return self


RewardModel = Annotated[
    ReferenceReward | SequenceClassificationReward | UltraRMReward | PairRankerReward | GenerativeReward,
    Field(discriminator="kind"),
]


class ScoringConfig(Config):
    """Settings of the scoring stage."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"block_rows"})
    reward_models: list[RewardModel] = Field(min_length=1)
    block_rows: int = Field(256, ge=1, description="rows that are committed together")

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        check_ids(self.reward_models)
        return self


def check_ids(models: Sequence[RewardModel]) -> None:
    """Refuse ids that cannot name a directory, or that several reward models have.

    Raises:
        ValueError: naming it.
    """
    ids = [model.id for model in models]
    for name in ids:
        if not is_safe_id(name):
            raise ValueError(
                f"reward model id {name!r} must be 1 to 64 letters, digits, dots, dashes or underscores, "
                "and begin with a letter or digit"
            )
    if len(set(ids)) < len(ids):
        raise ValueError(f"reward model ids must be unique, not {ids}")
