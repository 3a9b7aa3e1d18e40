"""Several reward models on one scale: each one's rewards are standardised here before they are averaged.

Q queries, M experts. Moments of parts of the rows can be added up, so that a distributed stage maps `moments`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of one reward model's rewards, over some training rows."""

    count: int
    mean: float
    deviations: float

    def __add__(self, other: "Moments") -> "Moments":
        """Those of both (Chan et al., 1983), which large means do not spoil."""
        count = self.count + other.count
        if not count:
            return self
        apart = other.mean - self.mean
        mean = self.mean + apart * other.count / count
        between = apart**2 * self.count * other.count / count
        return Moments(count, mean, self.deviations + other.deviations + between)


def moments(rewards_QM: np.ndarray) -> Moments:
    """Moments of the rewards that are there."""
    rewards = rewards_QM[np.isfinite(rewards_QM)]
    mean = float(rewards.mean()) if len(rewards) else 0.0
    return Moments(len(rewards), mean, float(((rewards - mean) ** 2).sum()))


def standardise(rewards_QM: np.ndarray, over: Moments) -> np.ndarray:
    """(rewards - mean) / standard deviation, both those of `over`; rewards that do not vary become 0."""
    deviation = np.sqrt(over.deviations / max(over.count, 1))
    varies = deviation > 1e-12 * max(abs(over.mean), 1e-300)
    result: np.ndarray = (rewards_QM - over.mean) / deviation if varies else rewards_QM * 0.0
    return result


def weighted_mean(
    rewards: Mapping[str, np.ndarray], over: Mapping[str, Moments], weights: Mapping[str, float]
) -> np.ndarray:
    """Weighted mean (Q, M) of the standardised rewards (Q, M) of several reward models."""
    terms = [weight * standardise(rewards[name], over[name]) for name, weight in weights.items()]
    result: np.ndarray = np.sum(terms, axis=0) / sum(weights.values())
    return result
