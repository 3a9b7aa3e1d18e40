"""What one trial does, in the small actor that Ray Tune gives it: a run of Ray Train, then the validation value."""

import io
import posixpath
import time
from collections.abc import Callable, Sequence

import ray
import ray.train
from ray.tune.integration.ray_train import TuneReportCallback

from zooter_ray.artifacts import Unit, write_json
from zooter_ray.errors import StageError
from zooter_ray.progress import new_console
from zooter_ray.resources import actor_kwargs
from zooter_ray.router.directory import read_card_of
from zooter_ray.stages.tuning.experiment import RESULT_JSON, Trial
from zooter_ray.stages.tuning.value import validation_value

# Settings, an outcomes file, a working directory, where progress goes, callbacks of Ray Train -> the router's unit
Distil = Callable[..., Unit]


def run_trial(trial: Trial, outcomes: str, distil: Distil) -> dict[str, float]:
    """Distil the trial's router, value it, and write its result; an interrupted one goes on from its last checkpoint.

    Raises:
        StageError: if a worker of Ray Train fails, with the reason in one sentence.
    """
    started = time.monotonic()
    try:
        router = distil(trial.config, outcomes, trial.directory, new_console(io.StringIO()), [TuneReportCallback()])
    except ray.train.TrainingFailedError as error:
        raise StageError(reason_of(error)) from None
    # In a task with the resources of a training worker, which are free now: this actor has no GPU.
    value = ray.remote(validation_value).options(
        scheduling_strategy="DEFAULT", **actor_kwargs(trial.config.training.resources)
    )
    validation = read_card_of(router.path).validation
    figures = {
        "validation_value": ray.get(value.remote(router.path, outcomes, trial.config.labeling)),
        "validation_loss": validation["validation_loss"],
        "epoch": validation["epoch"],
        "seconds": time.monotonic() - started,
    }
    known = {"trial": trial.number, "values": dict(trial.values), "seed": trial.seed, **figures}
    result = {**known, "epochs": validation["epochs"], "router": router.path}
    write_json(posixpath.join(trial.directory, RESULT_JSON), result)
    return figures


def reason_of(error: BaseException) -> str:
    """Why something failed, in one line: the first line of what was raised first.

    Ray wraps what a worker raised: Ray Train by rank, Ray Tune and Ray's tasks as `cause`, both beside tracebacks.
    """
    failures: Sequence[BaseException] = list(getattr(error, "worker_failures", {}).values())
    inner = failures[0] if failures else getattr(error, "cause", None) or getattr(error, "_base_exc", None)
    if isinstance(inner, BaseException):
        return reason_of(inner)
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
