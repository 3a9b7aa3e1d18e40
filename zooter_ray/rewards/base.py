"""What every reward model takes and gives: responses to queries (one, or two to compare) in, rewards or reasons out."""

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
class Match:
    """A query and the responses of two experts to it, in the order in which they are shown."""

    query: str
    first: str
    second: str


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


class PairRewardModel(Protocol):
    """Loads in its constructor, then only computes; what it says of a response depends on the other one."""

    def __call__(self, matches: Sequence[Match]) -> list[Scored]:
        """By how much the first response of each match is better than the second, in their order."""
        ...
