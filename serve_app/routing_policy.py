"""Which text is routed on, and how the experts are ranked for it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from serve_app.requests import Message


@dataclass(frozen=True)
class Decision:
    """Experts with their probabilities, most probable first."""

    ranked: list[tuple[str, float]]
    by_router: bool = True  # False: the router could not be asked, the order is that of training means

    def probability(self, expert: str) -> float:
        """The probability of an expert."""
        return dict(self.ranked)[expert]

    def entropy(self) -> float:
        """Entropy of the distribution in nats."""
        return -sum(p * math.log(p) for _, p in self.ranked if p > 0)


def text_to_route(messages: Sequence[Message], turn: Literal["first", "last", "all"]) -> str:
    """The user turns that are routed on; of a conversation without any, all of its text."""
    turns = [message.text() for message in messages if message.role == "user"]
    if not turns or turn == "all":
        return "\n".join(turns or [message.text() for message in messages])
    return turns[0] if turn == "first" else turns[-1]


def decide(experts: Sequence[str], probabilities: Sequence[float]) -> Decision:
    """The router's ranking; equal probabilities keep the order of the pool."""
    return Decision(sorted(zip(experts, probabilities, strict=True), key=lambda item: -item[1]))


def decide_without_router(experts: Sequence[str], training_means: Mapping[str, float]) -> Decision:
    """When the router cannot be asked: the experts by their training means, none more probable than another."""
    order = sorted(experts, key=lambda expert: -training_means.get(expert, -math.inf))
    return Decision([(expert, 1 / len(order)) for expert in order], by_router=False)
