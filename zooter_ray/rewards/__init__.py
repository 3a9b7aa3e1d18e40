"""Reward models, one file per kind."""

from collections.abc import Callable
from typing import Any

from zooter_ray.rewards.base import Pair, RewardModel, Scored
from zooter_ray.rewards.reference import ReferenceRewardModel
from zooter_ray.rewards.sequence_classification import SequenceClassificationRewardModel
from zooter_ray.rewards.ultrarm import UltraRMRewardModel

REWARD_MODELS: dict[str, Callable[[Any], RewardModel]] = {
    "reference": ReferenceRewardModel,
    "sequence_classification": SequenceClassificationRewardModel,
    "ultrarm": UltraRMRewardModel,
}

__all__ = ["REWARD_MODELS", "Pair", "RewardModel", "Scored"]
