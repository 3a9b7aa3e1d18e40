"""Points of a search by what their trials came to, best first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zooter_ray.stages.tuning.experiment import Experiment, Trial


@dataclass(frozen=True)
class Point:
    """Values of the settings that are searched, with the trials of every seed and their results."""

    values: Mapping[str, Any]
    trials: list[Trial]
    results: list[Mapping[str, Any]]  # of the trials that are done

    @property
    def whole(self) -> bool:
        """Whether the trials of all seeds are done; only such points are compared."""
        return len(self.results) == len(self.trials)

    def mean(self, figure: str) -> float:
        """Mean of a figure over the seeds."""
        return float(np.mean([result[figure] for result in self.results]))

    def deviation(self, figure: str) -> float:
        """Standard deviation of a figure over the seeds, as far as so few tell; 0 for one."""
        return float(np.std([result[figure] for result in self.results], ddof=min(1, len(self.results) - 1)))


def ranked(experiment: Experiment, results: Mapping[int, Mapping[str, Any]]) -> list[Point]:
    """The points, whole ones first, best first.

    Between equal values the lower validation loss decides where all are of the same labels, else the order of points.
    """
    tuning = experiment.config.tuning
    by_point: dict[int, list[Trial]] = {}
    for trial in experiment.trials:
        by_point.setdefault(trial.point, []).append(trial)
    points = [
        Point(trials[0].values, trials, [results[trial.number] for trial in trials if trial.number in results])
        for trials in by_point.values()
    ]
    sign = -1.0 if tuning.metric == "validation_value" else 1.0

    def place(point: Point) -> tuple[float, ...]:
        if not point.whole:
            return (1.0,)
        return (0.0, sign * point.mean(tuning.metric), point.mean("validation_loss") if tuning.losses_compare else 0.0)

    return sorted(points, key=place)


def best_trial(experiment: Experiment, point: Point) -> Trial:
    """The trial of a point that has the best seed."""
    metric = experiment.config.tuning.metric
    figures = [result[metric] for result in point.results]
    choose = np.argmax if metric == "validation_value" else np.argmin
    return point.trials[int(choose(figures))]
