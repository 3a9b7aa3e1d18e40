"""Settings of the labeling stage: section 3.2 of the paper."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zooter_ray.config.base import Config
from zooter_ray.config.queries import Tagger

WEIGHTED_MEAN = "weighted mean"


class LabelingConfig(Config):
    """Settings of the soft labels. All can be changed without a response or a reward being made anew."""

    reward_model: str | None = Field(None, description="id of the reward model whose rewards are distilled")
    reward_weights: dict[str, float] | None = Field(
        None, description="instead of one: weights of reward models in a mean of their standardised rewards"
    )
    tagger: Tagger | None = Field(
        None,
        description="tags for smoothing; null: those by which queries were drawn. For an outcomes file: clusters, for "
        "the queries that bring no tags along (nor, with source_as_tag, are of several sources)",
    )
    temperature: float = Field(1.0, gt=0, description="T in softmax(rewards / T)")
    beta: float = Field(0.3, ge=0, le=1, description="weight of the sample label against the tag label")
    beta_rows: int | None = Field(
        None, ge=1, description="beta falls in proportion where fewer rows of an outcomes file teach; null: never"
    )
    smooth: Literal["labels", "rewards"] = Field(
        "labels", description="what is averaged over a tag: the sample labels, as in the paper, or the rewards"
    )
    source_as_tag: bool = Field(False, description="whether a query's source smooths its label as one more tag")
    prior_rows: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        0.0,
        description="rows of the mean over all tags' rows that are mixed into the mean of each tag; auto: as many, per "
        "expert, as make chance between tags unlikely to decide",
    )
    prefer_metrics: bool = Field(
        False, description="distil an outcomes file's metrics where it has them, in place of its rewards"
    )
    standardise: bool = Field(
        False, description="divide an outcomes file's rewards by how far the experts of a query are apart in its source"
    )
    validation_share: float = Field(0.1, gt=0, lt=1, description="share of the training rows held out to pick an epoch")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _one_reward_or_a_mean(self) -> Self:
        if self.reward_weights is None:
            return self
        if self.reward_model is not None:
            raise ValueError("give either reward_model or reward_weights")
        if not self.reward_weights or any(weight <= 0 for weight in self.reward_weights.values()):
            raise ValueError("reward_weights needs reward models with weights above 0")
        return self

    @model_validator(mode="after")
    def _estimated_prior_is_of_rewards(self) -> Self:
        if self.prior_rows == "auto" and self.smooth != "rewards":
            raise ValueError("prior_rows: auto needs smooth: rewards")
        return self

    @property
    def rewards_of(self) -> str | None:
        """Name of the rewards that are distilled, if the config says it."""
        return WEIGHTED_MEAN if self.reward_weights is not None else self.reward_model
