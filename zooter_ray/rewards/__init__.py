"""Reward models, one file per kind."""

from typing import Any

from zooter_ray.rewards.base import Pair, RewardModel, Scored

__all__ = ["Pair", "RewardModel", "Scored", "load_reward_model"]


def load_reward_model(config: Any) -> RewardModel:
    """The reward model that a config describes; only its own kind is imported, since some need torch."""
    match config.kind:
        case "reference":
            from zooter_ray.rewards.reference import ReferenceRewardModel

            return ReferenceRewardModel(config)
        case "sequence_classification":
            from zooter_ray.rewards.sequence_classification import SequenceClassificationRewardModel

            return SequenceClassificationRewardModel(config)
        case "ultrarm":
            from zooter_ray.rewards.ultrarm import UltraRMRewardModel

            return UltraRMRewardModel(config)
        case kind:
            raise ValueError(f"there is no reward model of kind {kind!r}")
