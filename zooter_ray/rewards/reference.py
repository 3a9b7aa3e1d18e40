"""Rewards by reference: 1 where the response passes the check that the query brings along, else 0."""

import math
from collections.abc import Sequence

from zooter_ray.config.scoring import ReferenceReward
from zooter_ray.grading import SandboxLimits, grade, parse_reference
from zooter_ray.rewards.base import Pair, Scored


class ReferenceRewardModel:
    """Grades responses; unit tests run in the sandbox."""

    def __init__(self, config: ReferenceReward) -> None:
        self.limits = SandboxLimits(
            wall_seconds=config.wall_seconds, cpu_seconds=math.ceil(config.wall_seconds), memory_mb=config.memory_mb
        )

    def __call__(self, pairs: Sequence[Pair]) -> list[Scored]:
        """1.0 or 0.0 per pair; a query without a reference has no reward."""
        return [self._score(pair) for pair in pairs]

    def _score(self, pair: Pair) -> Scored:
        if pair.reference is None:
            return Scored(None, "the query has no reference")
        return Scored(grade(pair.response, parse_reference(pair.reference), self.limits))
