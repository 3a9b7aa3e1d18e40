"""A search over settings by Ray Tune over Ray Train: `zooter tune`.

Each trial is a small actor that starts a run of Ray Train. A trial is complete once its result lies in its directory,
as a unit of any stage is: a search that is started again runs the trials that have none, and a trial that was
interrupted goes on from its last checkpoint. Ray Tune's own snapshots may be ten seconds old, so they do not decide.
"""

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from ray import tune
from rich.console import Console

from zooter_ray.errors import StageError
from zooter_ray.progress import track
from zooter_ray.stages.reasons import reason_of
from zooter_ray.stages.tuning.experiment import Experiment, Trial, prepare
from zooter_ray.stages.tuning.ranking import ranked
from zooter_ray.stages.tuning.summary import conclude, remove_work
from zooter_ray.stages.tuning.trial import Distil, run_trial

__all__ = ["Experiment", "conclude", "prepare", "run"]

# No CPU: a driver waits for its workers, who may need all there are. Ray Tune wants something to be asked for.
DRIVER = {"memory": 1 << 20}


class Ended(tune.Callback):  # type: ignore[misc]  # Ray has no types
    """Tells of each trial that ends."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.tell = tell

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """A trial has its result."""
        self.tell(trial.config["trial"])

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:  # noqa: ARG002
        """A trial failed."""
        self.tell(trial.config["trial"])

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Ray Tune writes its callbacks to disk, where nobody listens."""
        return {}


def run(experiment: Experiment, distil: Distil, console: Console) -> dict[int, str]:
    """Run the trials that have no result; returns why trials failed, by number.

    Raises:
        StageError: if no point of the search has a result.
        KeyboardInterrupt: after Ctrl-C, once the trials that were under way are stopped.
    """
    done = experiment.results()
    missing = [trial for trial in experiment.trials if trial.number not in done]
    ended: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    counts = (1 for _ in iter(ended.get, None))
    total = len(experiment.trials)
    shown = threading.Thread(target=track, args=(counts, total, "tuning", console, len(done), "trials"))
    shown.start()
    try:
        failed = _fit(experiment, missing, distil, ended)
    finally:
        ended.put(None)
        shown.join()
    for number, reason in failed.items():
        console.print(f"trial {number} failed: {reason}", highlight=False, soft_wrap=True)
    if not ranked(experiment, experiment.results())[0].whole:
        raise StageError(f"no point of the search has a result; trial {min(failed)} failed: {failed[min(failed)]}")
    return failed


def _fit(
    experiment: Experiment, missing: list[Trial], distil: Distil, ended: "queue.SimpleQueue[int | None]"
) -> dict[int, str]:
    """Run Ray Tune; returns why trials failed, by number."""
    by_number = {trial.number: trial for trial in missing}
    outcomes, shared, tuning = experiment.outcomes, experiment.shared, experiment.config.tuning

    def driver(drawn: dict[str, Any]) -> dict[str, float]:
        return run_trial(by_number[drawn["trial"]], outcomes, shared, distil)

    def tell(number: int) -> None:
        prune(experiment)
        ended.put(number)

    results = tune.Tuner(
        tune.with_resources(driver, DRIVER),
        param_space={"trial": tune.grid_search(list(by_number))},
        tune_config=tune.TuneConfig(max_concurrent_trials=tuning.concurrent, reuse_actors=True),
        run_config=tune.RunConfig(
            name=time.strftime("%Y%m%d-%H%M%S"),
            storage_path=str(experiment.directory / "ray_tune"),
            callbacks=[Ended(tell)],
            verbose=0,
        ),
    ).fit()
    failed = {result.config["trial"]: reason_of(result.error) for result in results if result.error is not None}
    if by_number.keys() - experiment.results().keys() - failed.keys():
        raise KeyboardInterrupt  # Ray Tune took it, stopped its trials, and says nothing of it
    return failed


def prune(experiment: Experiment) -> None:
    """Keep one router, the best so far: of every other point that is whole, the results alone stay."""
    whole = [point for point in ranked(experiment, experiment.results()) if point.whole]
    for point in whole[1:]:
        for trial in point.trials:
            remove_work(trial)
