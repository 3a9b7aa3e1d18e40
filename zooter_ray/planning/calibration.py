"""What a finished run says about the machine: how long starts take, and how far its speed is from the model's.

For every unit that recorded its time, factor = measured busy / predicted busy, where the prediction is for the measured
run's own rows and tokens. A later plan looks a unit up by (stage, key), the key being the model's source; a key that
was not measured gets the stage's factor, the ratio of sums over what was measured of that stage.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Measured:
    """Measured and predicted times of one unit, seconds."""

    stage: str
    key: str
    start_s: float
    busy_s: float
    predicted_busy_s: float


@dataclass(frozen=True)
class Calibration:
    """Factors on busy times and starts in seconds, by `stage/key` and by `stage`; empty: the model as it is."""

    factors: Mapping[str, float] = field(default_factory=dict)
    starts: Mapping[str, float] = field(default_factory=dict)

    def apply(self, stage: str, key: str, start_s: float, busy_s: float) -> tuple[float, float]:
        """(start, busy) as they are to be expected."""
        names = (f"{stage}/{key}", stage)
        factor = next((self.factors[name] for name in names if name in self.factors), 1.0)
        return next((self.starts[name] for name in names if name in self.starts), start_s), factor * busy_s


def calibrate(measured: Iterable[Measured]) -> Calibration:
    """The factors of what was measured; of a unit with no work to speak of only the start is taken over."""
    found = list(measured)
    factors: dict[str, float] = {}
    starts: dict[str, float] = {}
    for stage in dict.fromkeys(item.stage for item in found):
        of_stage = [item for item in found if item.stage == stage]
        starts[stage] = sum(item.start_s for item in of_stage) / len(of_stage)
        worked = [item for item in of_stage if item.busy_s and item.predicted_busy_s]
        if worked:
            factors[stage] = sum(item.busy_s for item in worked) / sum(item.predicted_busy_s for item in worked)
    for item in found:
        starts[f"{item.stage}/{item.key}"] = item.start_s
        if item.busy_s and item.predicted_busy_s:
            factors[f"{item.stage}/{item.key}"] = item.busy_s / item.predicted_busy_s
    return Calibration(factors, starts)
