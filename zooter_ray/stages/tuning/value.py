"""The validation value, by which trials are compared whatever their labels and losses are.

Mean over the sources of what the chosen experts earn on the validation rows: metrics if the outcomes have them, else
rewards. Losses are of no use for that, since T, beta and the loss itself change what a loss means.
"""

from dataclasses import dataclass

import numpy as np

from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.evaluation.baselines import best_single
from zooter_ray.evaluation.learned import learn, rows_of_outcomes
from zooter_ray.evaluation.metrics import mean_over_sources
from zooter_ray.labels import with_validation
from zooter_ray.outcomes import Outcomes, read_outcomes, value_name, values


@dataclass(frozen=True)
class Yardsticks:
    """What choosing without a router and choosing perfectly earn on the validation rows."""

    value: str  # metric or reward
    rows: int
    best_single: str  # the expert that is best on the training rows
    single: float
    oracle: float


def yardsticks(outcomes: str, config: LabelingConfig) -> Yardsticks:
    """What the best single expert and a perfect choice earn on the validation rows of an outcomes file."""
    known = read_outcomes(outcomes)
    rows = rows_of(known, "validation", config)
    best = best_single(learn(rows_of_outcomes(rows_of(known, "train", config))))
    single = earned(rows, np.full(len(rows.queries), known.experts.index(best)))
    return Yardsticks(value_name(rows), len(rows.queries), best, single, earned(rows, values(rows).argmax(axis=1)))


def rows_of(outcomes: Outcomes, split: str, config: LabelingConfig) -> Outcomes:
    """The rows of a split, as labels are made."""
    return outcomes.rows(np.array([name == split for name in with_validation(outcomes, config).splits]))


def earned(rows: Outcomes, choice_Q: np.ndarray) -> float:
    """Mean over the sources of what the chosen experts (Q,) earn."""
    return mean_over_sources(values(rows)[np.arange(len(choice_Q)), choice_Q], rows.sources)
