"""Settings of the evaluation stage."""

from pydantic import Field

from zooter_ray.config.base import Config


class EvaluationConfig(Config):
    """Settings of the evaluation."""

    draws: int = Field(10_000, ge=100, description="bootstrap draws behind every interval")
    confidence: float = Field(0.95, gt=0, lt=1)
    seed: int = 0
