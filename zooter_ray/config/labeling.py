"""Settings of the labeling stage: section 3.2 of the paper."""

from pydantic import Field

from zooter_ray.config.base import Config


class LabelingConfig(Config):
    """Settings of the soft labels."""

    reward_model: str | None = Field(None, description="id of the reward model whose rewards are distilled")
    temperature: float = Field(1.0, gt=0, description="T in softmax(rewards / T)")
    beta: float = Field(0.3, ge=0, le=1, description="weight of the sample label against the tag label")
    validation_share: float = Field(0.1, gt=0, lt=1, description="share of the training rows held out to pick an epoch")
    seed: int = 0
