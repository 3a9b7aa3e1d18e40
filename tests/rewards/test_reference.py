"""Rewards by reference."""

import json

from zooter_ray.config.scoring import ReferenceReward
from zooter_ray.rewards import Pair, Scored, load_reward_model
from zooter_ray.rewards.reference import ReferenceRewardModel

NUMBER = json.dumps({"check": "number", "answer": "4"})
CHOICE = json.dumps({"check": "choice", "answer": "B", "choices": ["red", "blue"]})
CODE = json.dumps({"check": "unit_tests", "entry_point": "add", "tests": "assert add(2, 3) == 5"})


def test_a_right_response_earns_1_and_a_wrong_one_0_in_the_order_of_the_pairs() -> None:
    model = ReferenceRewardModel(ReferenceReward())
    pairs = [
        Pair("What is 2 + 2?", "The answer is 5.", NUMBER),
        Pair("What is 2 + 2?", "The answer is 4.", NUMBER),
        Pair("Which colour has the sky? A) red B) blue", "B", CHOICE),
        Pair("Which colour has the sky? A) red B) blue", "", CHOICE),
    ]
    assert model(pairs) == [Scored(0.0), Scored(1.0), Scored(1.0), Scored(0.0)]


def test_code_is_run_against_its_tests() -> None:
    model = ReferenceRewardModel(ReferenceReward(wall_seconds=10))
    right = Pair("Write add.", "```python\ndef add(a, b):\n    return a + b\n```", CODE)
    wrong = Pair("Write add.", "```python\ndef add(a, b):\n    return a - b\n```", CODE)
    assert model([right, wrong]) == [Scored(1.0), Scored(0.0)]


def test_code_that_takes_longer_than_the_config_allows_earns_0() -> None:
    model = ReferenceRewardModel(ReferenceReward(wall_seconds=1))
    endless = Pair("Write add.", "```python\ndef add(a, b):\n    while True:\n        pass\n```", CODE)
    assert model([endless]) == [Scored(0.0)]


def test_the_limits_are_those_of_the_config() -> None:
    limits = ReferenceRewardModel(ReferenceReward(wall_seconds=2.5, memory_mb=128)).limits
    assert (limits.wall_seconds, limits.memory_mb) == (2.5, 128)


def test_a_query_without_a_reference_has_no_reward_but_a_reason() -> None:
    model = ReferenceRewardModel(ReferenceReward())
    assert model([Pair("Name a fruit.", "Apple")]) == [Scored(None, "the query has no reference")]


def test_no_pairs_have_no_rewards() -> None:
    assert ReferenceRewardModel(ReferenceReward())([]) == []


def test_the_config_names_this_kind() -> None:
    assert isinstance(load_reward_model(ReferenceReward()), ReferenceRewardModel)
