"""Settings of the scoring stage: the reward models."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zooter_ray.config.base import Config
from zooter_ray.resources import StageResources


class ReferenceReward(Config):
    """1 where the response passes the check against the query's reference, else 0."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"resources"})
    id: str = "reference"
    kind: Literal["reference"] = "reference"
    wall_seconds: float = Field(5.0, gt=0, description="time limit of a query's unit tests")
    memory_mb: int = Field(512, ge=64, description="memory limit of a query's unit tests")
    resources: StageResources = Field(default_factory=StageResources)


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


RewardModel = Annotated[
    ReferenceReward | SequenceClassificationReward | UltraRMReward | PairRankerReward, Field(discriminator="kind")
]


class ScoringConfig(Config):
    """Settings of the scoring stage."""

    speed_only: ClassVar[frozenset[str]] = frozenset({"block_rows"})
    reward_models: list[RewardModel] = Field(min_length=1)
    block_rows: int = Field(256, ge=1, description="rows that are committed together")

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [model.id for model in self.reward_models]
        if len(set(ids)) < len(ids):
            raise ValueError(f"reward model ids must be unique, not {ids}")
        return self
