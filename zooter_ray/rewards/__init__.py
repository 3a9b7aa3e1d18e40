"""Reward models, one file per kind."""

from typing import Any

from zooter_ray.rewards.base import Match, Pair, PairRewardModel, RewardModel, Scored

__all__ = ["Match", "Pair", "PairRewardModel", "RewardModel", "Scored", "load_pair_ranker", "load_reward_model"]


def load_reward_model(config: Any) -> RewardModel:
    """The model that rewards responses one by one; only its own kind is imported, since some need torch."""
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
            raise ValueError(f"no reward model of kind {kind!r} rewards responses one by one")


def load_pair_ranker(config: Any) -> PairRewardModel:
    """The model that compares two responses, of kind `pair_ranker`."""
    from zooter_ray.rewards.pair_ranker import PairRankerModel

    return PairRankerModel(config)
