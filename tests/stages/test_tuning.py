"""A search by Ray Tune over Ray Train: interrupted, resumed, finished, and what it leaves behind."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import ray
import ray.train
import yaml
from rich.console import Console

from tests.tiny_models import save_bert
from zooter_ray import pipeline
from zooter_ray.config import DistillConfig, dump_config
from zooter_ray.config.resources import StageResources
from zooter_ray.config.tuning import TuneConfig
from zooter_ray.errors import ArtifactError, DataError, StageError
from zooter_ray.outcomes import read_outcomes
from zooter_ray.progress import new_console
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.stages import tuning
from zooter_ray.stages.reasons import reason_of
from zooter_ray.stages.tuning import conclude
from zooter_ray.stages.tuning.value import rows_of

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow]

GOOD, BAD = 3e-3, 1e-7


def write_outcomes(path: Path, preferring: Container[str] | None = None, **changed: Any) -> str:
    """Odd queries are for one expert, even ones for the other; all of them, or those that are `preferring`."""
    rows: list[dict[str, Any]] = [
        {
            "query_id": f"q{number:02}",
            "query": f"sum of {number}" if number % 2 else f"name of {number}",
            "source": "sums" if number % 2 else "names",
            "rewards": {"adder": float(number % 2), "namer": float(1 - number % 2)},
            **changed,
        }
        for number in range(61)
    ]
    for row in rows:
        if preferring is not None and row["query_id"] not in preferring:
            row["rewards"] = {"adder": 1.0, "namer": 1.0}
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def search(folder: Path, **tuning_settings: Any) -> TuneConfig:
    backbone = folder / "backbone"
    if not backbone.exists():
        save_bert(backbone, 2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    training = {"backbone": str(backbone), "epochs": 3, "batch_size": 8, "max_length": 16, "max_failures": 0}
    labeling = {"temperature": 0.5, "validation_share": 0.3, "tagger": {"kind": "clusters", "clusters": 2}}
    settings = {"space": {"training.learning_rate": [GOOD, BAD]}, "concurrent": 2, **tuning_settings}
    return TuneConfig.model_validate(
        {"ray": {"num_cpus": 8}, "labeling": labeling, "training": training, "tuning": settings}
    )


KEPT_BY_RAY = "ray::_AutoscalingCoordinatorActor"  # one per cluster, for all that Ray Data and Ray Train ever run there


def at_work() -> dict[int, str]:
    """Workers of Ray that are no idle ones, by process id."""
    busy = {}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            title = " ".join(process.cmdline()).strip()
            if title.startswith("ray::") and not title.startswith(("ray::IDLE", KEPT_BY_RAY)):
                busy[process.pid] = title
    return busy


def left_behind(before: Container[int], seconds: float = 60.0) -> list[str]:
    """What is at work that was not before, or is taken of Ray's CPUs; a process takes a moment to end."""
    deadline = time.monotonic() + seconds
    while (left := _left(before)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return left


def _left(before: Container[int]) -> list[str]:
    taken = ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0.0)
    return [title for pid, title in at_work().items() if pid not in before] + ([f"{taken} CPUs"] if taken else [])


def results(directory: Path) -> dict[str, int]:
    """When each trial's result was written, in ns."""
    return {path.parent.name: path.stat().st_mtime_ns for path in directory.glob("trials/*/result.json")}


class Searched:
    """A search that came to its end, and what was seen meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.directory, self.shown = folder, folder / "search", io.StringIO()
        config, self.outcomes = search(folder), write_outcomes(folder / "outcomes.jsonl")
        all_there_is = StageResources(num_cpus=8)  # so that nothing else may ask for a CPU meanwhile
        head_alone = config.training.model_copy(update={"frozen": True, "pooling": "mean", "resources": all_there_is})
        self.config = config.model_copy(update={"training": head_alone})
        before, handler = at_work(), signal.getsignal(signal.SIGINT)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tuning, "conclude", self.look_and_conclude)
            pipeline.tune(self.outcomes, str(self.directory), self.config, new_console(self.shown, width=120))
        self.left_behind = left_behind(before)
        self.handler_is_back = signal.getsignal(signal.SIGINT) is handler

    def look_and_conclude(self, *arguments: Any) -> None:
        """What the trials have shared is gone afterwards."""
        self.embedded = [len(pq.read_table(path)) for path in (self.directory / "shared").rglob("features.parquet")]
        conclude(*arguments)


@pytest.fixture(scope="module")
def searched(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    return Searched(tmp_path_factory.mktemp("tuning"))


def test_the_better_learning_rate_is_found(searched: Searched) -> None:
    best = DistillConfig.model_validate(yaml.safe_load((searched.directory / "best.yaml").read_text()))
    assert best.training.learning_rate == GOOD
    assert best.training.embedder == searched.config.training.embedder
    trials = json.loads((searched.directory / "trials.json").read_text())["trials"]
    assert [trial["training.learning_rate"] for trial in trials] == [GOOD, BAD]
    assert trials[0]["validation_value"] >= trials[1]["validation_value"]
    assert trials[0]["validation_loss"] < trials[1]["validation_loss"], "which decides where values are equal"
    assert len(trials[0]["epochs"]) == 3


def test_trials_share_tags_and_embeddings(searched: Searched) -> None:
    assert searched.shown.getvalue().count("embedding for clusters: 61/61") == 1
    assert searched.embedded == [61], "queries, by two trials"
    assert {len(tags) for tags in read_outcomes(str(searched.directory / "outcomes.parquet")).tags} == {1}


def test_the_end_leaves_no_process_and_nothing_of_ray_taken(searched: Searched) -> None:
    assert searched.left_behind == []
    assert searched.handler_is_back, "Ctrl-C means again what it meant before"


def test_the_router_that_is_kept_is_the_best_trials_and_the_only_one(searched: Searched) -> None:
    (weights,) = searched.directory.rglob("*.safetensors")
    assert weights.parent == searched.directory / "router"
    assert not list(searched.directory.rglob("*.pt"))
    assert not (searched.directory / "shared").exists()
    best = json.loads((searched.directory / "trials.json").read_text())["trials"][0]
    predictor = RouterPredictor(weights.parent)
    rows = rows_of(read_outcomes(searched.outcomes), "validation", searched.config.labeling)
    choice_Q = predictor(rows.queries).argmax(axis=1)
    earned = [rows.rewards_QM[row, choice] for row, choice in enumerate(choice_Q)]
    by_source = [
        np.mean([e for e, s in zip(earned, rows.sources, strict=True) if s == name]) for name in ("names", "sums")
    ]
    assert best["validation_value"] == pytest.approx(np.mean(by_source))


def test_a_finished_search_prints_its_table_again_and_runs_nothing(searched: Searched) -> None:
    tagged = searched.directory / "outcomes.parquet"
    before, shown, written = results(searched.directory), io.StringIO(), tagged.stat().st_mtime_ns
    pipeline.tune(searched.outcomes, str(searched.directory), searched.config, new_console(shown, width=120))
    assert results(searched.directory) == before
    assert tagged.stat().st_mtime_ns == written
    table = searched.shown.getvalue()
    assert shown.getvalue() in table
    assert (searched.directory / "router" / "zooter.json").exists()
    assert (searched.directory / "trials.png").read_bytes().startswith(b"\x89PNG")
    header, *rows = (searched.directory / "trials.csv").read_text().splitlines()
    assert header.startswith("trial,training.learning_rate,training.seed,validation_value")
    assert len(rows) == 2


def test_another_search_is_not_mixed_in(searched: Searched, console: Console, tmp_path: Path) -> None:
    output = str(searched.directory)
    changed = searched.config.at({"training.epochs": 4}).training
    with pytest.raises(ArtifactError, match=r"differs in training\.epochs; choose another --output"):
        pipeline.tune(searched.outcomes, output, searched.config.model_copy(update={"training": changed}), console)
    other = write_outcomes(tmp_path / "other.jsonl", query="the same")
    with pytest.raises(ArtifactError, match=r"differs in the outcomes .*other\.jsonl"):
        pipeline.tune(other, output, searched.config, console)
    with pytest.raises(ArtifactError, match="is no search"):
        pipeline.tune(searched.outcomes, str(searched.folder), searched.config, console)


def test_trials_that_fail_say_why_and_a_search_of_nothing_else_is_an_error(tmp_path: Path) -> None:
    outcomes = write_outcomes(tmp_path / "outcomes.jsonl", preferring=())
    shown = io.StringIO()
    config = search(tmp_path, space={"training.loss": ["hard_label"]})
    with pytest.raises(StageError, match="no point of the search has a result; trial 0 failed: there are too few rows"):
        pipeline.tune(outcomes, str(tmp_path / "search"), config, new_console(shown, width=120))
    assert "trial 0 failed: there are too few rows on which experts differ" in shown.getvalue()


def test_the_reason_is_what_the_first_worker_raised() -> None:
    raised = StageError("the loss of epoch 1 is not finite\nTraceback")
    wrapped = ray.train.WorkerGroupError("many lines", {0: raised, 1: StageError("another")})
    assert reason_of(wrapped) == "the loss of epoch 1 is not finite"
    assert reason_of(ray.exceptions.RayTaskError("run", "traceback", wrapped)) == "the loss of epoch 1 is not finite"
    assert reason_of(MemoryError()) == "MemoryError"


@pytest.mark.extended
def test_ctrl_c_leaves_no_process_and_a_search_that_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    directory, config_file = tmp_path / "search", tmp_path / "search.yaml"
    outcomes = write_outcomes(tmp_path / "outcomes.jsonl")
    config = search(tmp_path, concurrent=1)
    config_file.write_text(dump_config(config))
    command = [sys.executable, "-m", "zooter_ray.cli.main", "tune", "--config", str(config_file), "--rewards", outcomes]
    process = subprocess.Popen(
        [*command, "--output", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
    )
    deadline = time.monotonic() + 300
    while not results(directory) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 130, printed
    assert "zooter tune: interrupted; run it again to resume" in printed
    assert psutil.wait_procs(children, timeout=60)[1] == [], "no process outlives it"
    done = results(directory)
    assert len(done) == 1, "the interruption came in the middle"
    pipeline.tune(outcomes, str(directory), config, new_console(io.StringIO()))
    assert done.items() <= results(directory).items(), "no trial that was done ran again"
    assert len(results(directory)) == 2


def test_rows_for_both_splits_are_asked_for_before_anything_starts(tmp_path: Path, console: Console) -> None:
    outcomes = tmp_path / "outcomes.jsonl"
    Path(write_outcomes(outcomes)).write_text(outcomes.read_text().splitlines()[0])
    with pytest.raises(DataError, match=r"outcomes\.jsonl: a search needs rows to train on and rows to validate with"):
        pipeline.tune(str(outcomes), str(tmp_path / "search"), search(tmp_path), console)
    assert not (tmp_path / "search").exists()
