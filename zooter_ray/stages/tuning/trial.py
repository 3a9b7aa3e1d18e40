"""What one trial does, in the small actor that Ray Tune gives it: a run of Ray Train, and its figures."""

import io
import posixpath
import time
from collections.abc import Callable

from ray.tune.integration.ray_train import TuneReportCallback

from zooter_ray.artifacts import Unit, write_json
from zooter_ray.progress import new_console
from zooter_ray.router.directory import read_card_of
from zooter_ray.stages.tuning.experiment import RESULT_JSON, Trial

# Settings, outcomes, directories of the trial and of all trials, a console, callbacks of Ray Train -> the router's unit
Distil = Callable[..., Unit]


def run_trial(trial: Trial, outcomes: str, shared: str, distil: Distil) -> dict[str, float]:
    """Distil the trial's router, value it, and write its result; an interrupted one goes on from its last checkpoint.

    Raises:
        StageError: if a worker of Ray Train fails.
    """
    started = time.monotonic()
    router = distil(trial.config, outcomes, trial.directory, shared, new_console(io.StringIO()), [TuneReportCallback()])
    validation = read_card_of(router.path).validation
    figures = {
        "validation_value": validation["validation_value"],
        "validation_loss": validation["validation_loss"],
        "epoch": validation["epoch"],
        "seconds": time.monotonic() - started,
    }
    known = {"trial": trial.number, "values": dict(trial.values), "seed": trial.seed, **figures}
    result = {**known, "epochs": validation["epochs"], "router": router.path}
    write_json(posixpath.join(trial.directory, RESULT_JSON), result)
    return figures
