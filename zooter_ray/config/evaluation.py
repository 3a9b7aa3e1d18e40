"""Settings of the evaluation stage."""

from typing import Literal

from pydantic import Field

from zooter_ray.config.base import Config


class EvaluationConfig(Config):
    """Settings of the evaluation."""

    draws: int = Field(10_000, ge=100, description="bootstrap draws behind every interval")
    confidence: float = Field(0.95, gt=0, lt=1)
    seed: int = Field(0, ge=0)
    rank_against: Literal["experts", "all"] = Field(
        "experts", description="whom a method is ranked against for MTR and uplift: the single experts, or everyone"
    )
    include_overall: bool = Field(
        False, description="whether the average of each group of sources (group/subset) is ranked as one more source"
    )
    neighbours: int | None = Field(
        None, ge=1, description="k of the nearest-neighbour baseline; null: chosen on training rows"
    )
    other_routers: list[str] = Field(
        default_factory=list, description="router directories of the same pool to compare with, say one of hard labels"
    )
    browsed_cases: int = Field(48, ge=0, description="queries of the case view, drawn evenly from the sources")
    lost_cases: int = Field(12, ge=0, description="queries shown of those on which the router loses most")
