"""Which text is routed on, and how the experts are ranked for it."""

import math

import pytest

from serve_app.requests import Message
from serve_app.routing_policy import decide, decide_without_router, text_to_route

CONVERSATION = [
    Message(role="system", content="Be brief."),
    Message(role="user", content="What is 2 + 2?"),
    Message(role="assistant", content="4"),
    Message(role="user", content="And 3 + 3?"),
]


@pytest.mark.parametrize(
    ("turn", "text"), [("first", "What is 2 + 2?"), ("last", "And 3 + 3?"), ("all", "What is 2 + 2?\nAnd 3 + 3?")]
)
def test_the_router_reads_the_user_turns_that_the_setting_names(turn: str, text: str) -> None:
    assert text_to_route(CONVERSATION, turn) == text  # type: ignore[arg-type]


def test_a_conversation_without_a_user_is_read_whole() -> None:
    assert text_to_route(CONVERSATION[:1], "first") == "Be brief."


def test_experts_are_ranked_by_probability_and_ties_keep_the_order_of_the_pool() -> None:
    decision = decide(["a", "b", "c"], [0.2, 0.6, 0.2])
    assert decision.ranked == [("b", 0.6), ("a", 0.2), ("c", 0.2)]
    assert decision.probability("a") == 0.2
    assert decision.by_router


def test_entropy_is_that_of_the_distribution() -> None:
    assert decide(["a", "b"], [0.5, 0.5]).entropy() == pytest.approx(math.log(2))
    assert decide(["a", "b"], [1.0, 0.0]).entropy() == 0


def test_without_a_router_training_means_rank_the_experts() -> None:
    decision = decide_without_router(["a", "b", "c"], {"a": 0.1, "b": 0.5})
    assert [expert for expert, _ in decision.ranked] == ["b", "a", "c"]
    assert not decision.by_router
