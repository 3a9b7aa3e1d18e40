"""What a search came to: files in its directory, the best trial's router, and a table.

trials.csv, trials.json   every trial with its settings and figures, best first, and why others failed
trials.png                the metric against each searched setting
best.yaml                 settings of the best trial, for `zooter distill --config`
router/                   the best trial's router; it knows no nearest-neighbour baseline, which `zooter distill` adds
"""

import csv
import io
import shutil
from collections.abc import Mapping
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from zooter_ray.artifacts import MANIFEST, moved, write_bytes, write_json
from zooter_ray.config import dump_config
from zooter_ray.errors import ArtifactError
from zooter_ray.evaluation.rendering.plots import picture
from zooter_ray.stages.tuning.experiment import Experiment, Trial
from zooter_ray.stages.tuning.plot import metric_by_setting
from zooter_ray.stages.tuning.ranking import Point, best_trial, ranked
from zooter_ray.stages.tuning.value import Yardsticks, yardsticks

FIGURES = ("validation_value", "validation_loss", "epoch", "seconds")
SHOWN_POINTS = 20


def conclude(experiment: Experiment, failed: Mapping[int, str], console: Console) -> None:
    """Write what the search came to, keep the best trial's router and show the table."""
    results = experiment.results()
    points = ranked(experiment, results)
    best = best_trial(experiment, points[0])
    known = yardsticks(experiment.outcomes, experiment.config.labeling)
    write_trials(experiment, points, failed, known)
    base = {"training.seed": best.seed, "training.embedder": experiment.config.training.embedder}
    settings = dump_config(experiment.config.at({**best.values, **base}))
    write_bytes(str(experiment.directory / "best.yaml"), settings.encode())
    figure = metric_by_setting(points, experiment.config, known)
    write_bytes(str(experiment.directory / "trials.png"), picture(figure, "png"))
    keep_router(experiment, moved(results[best.number]["router"], best.directory))
    show(experiment, points, failed, known, console)


def write_trials(experiment: Experiment, points: list[Point], failed: Mapping[int, str], known: Yardsticks) -> None:
    """Write trials.csv and trials.json: one row per trial."""
    results = experiment.results()
    rows = [
        {
            "trial": trial.number,
            **{name: trial.values[name] for name in experiment.config.tuning.space},
            "training.seed": trial.seed,
            **{name: results.get(trial.number, {}).get(name) for name in FIGURES},
            "failed": failed.get(trial.number),
        }
        for point in points
        for trial in point.trials
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(str(experiment.directory / "trials.csv"), text.getvalue().encode())
    epochs = {number: result["epochs"] for number, result in results.items()}
    trials = [{**row, "epochs": epochs.get(row["trial"], [])} for row in rows]
    content = {"metric": experiment.config.tuning.metric, "yardsticks": vars(known), "trials": trials}
    write_json(str(experiment.directory / "trials.json"), content)


def keep_router(experiment: Experiment, router: str) -> None:
    """Move the best trial's router into `router`, if it is not there from before, and remove what is left of others."""
    target = experiment.directory / "router"
    if Path(router).exists():
        if target.exists():
            shutil.rmtree(target)
        Path(router).rename(target)
        (target / MANIFEST).unlink()
    elif not target.exists():
        raise ArtifactError(f"the best router is neither {router} nor {target}; remove its trial to train it again")
    for trial in experiment.trials:
        remove_work(trial)
    shutil.rmtree(experiment.shared, ignore_errors=True)


def remove_work(trial: Trial) -> None:
    """Remove a trial's labels and router; its result stays."""
    for path in Path(trial.directory).glob("*/"):
        shutil.rmtree(path)


def show(
    experiment: Experiment, points: list[Point], failed: Mapping[int, str], known: Yardsticks, console: Console
) -> None:
    """Print the points, best first, and what to compare them with."""
    space = list(experiment.config.tuning.space)
    seeds = len(experiment.config.tuning.seeds)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for name in ["trial", *space, "validation value", *(["± seeds"] if seeds > 1 else []), "validation loss", "epoch"]:
        table.add_column(name.rpartition(".")[2], justify="right")
    for place, point in enumerate(points[:SHOWN_POINTS]):
        table.add_row(*_cells(point, seeds > 1, failed), style="bold" if place == 0 else None)
    console.print(table)
    if len(points) > SHOWN_POINTS:
        console.print(f"{len(points) - SHOWN_POINTS} more in trials.csv", highlight=False)
    console.print(
        f"mean over sources of the {known.value} of the chosen expert on {known.rows} validation rows; "
        f"{known.best_single} alone: {known.single:.4f}, a perfect choice: {known.oracle:.4f}",
        highlight=False,
        soft_wrap=True,
    )


def _cells(point: Point, with_deviation: bool, failed: Mapping[int, str]) -> list[str]:
    """A row of the table."""
    numbers = [trial.number for trial in point.trials]
    trial = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"
    settings = [f"{value:g}" if isinstance(value, float) else str(value) for value in point.values.values()]
    if not point.whole:
        return [trial, *settings, "failed" if set(numbers) & set(failed) else "not run"]
    deviation = [f"{point.deviation('validation_value'):.4f}"] if with_deviation else []
    figures = [f"{point.mean('validation_value'):.4f}", *deviation, f"{point.mean('validation_loss'):.4f}"]
    return [trial, *settings, *figures, "/".join(str(result["epoch"]) for result in point.results)]
