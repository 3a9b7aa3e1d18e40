"""What every reward model takes and gives: pairs of query and response in, rewards or reasons out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Pair:
    """A query and one expert's response to it; the reference is JSON, see zooter_ray.grading."""

    query: str
    response: str
    reference: str | None = None


@dataclass(frozen=True)
class Scored:
    """A reward, or the reason why there is none."""

    reward: float | None
    error: str = ""


class RewardModel(Protocol):
    """Loads in its constructor, then only computes."""

    def __call__(self, pairs: Sequence[Pair]) -> list[Scored]:
        """The rewards of the pairs, in their order."""
        ...
