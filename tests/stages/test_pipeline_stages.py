"""Scoring to evaluation on simulated experts, and a router that plain transformers loads."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from rich.console import Console
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from zooter_ray import pipeline
from zooter_ray.artifacts import read_json, read_table
from zooter_ray.cli.main import main
from zooter_ray.cluster import check_fits, connected
from zooter_ray.config import RunConfig
from zooter_ray.config.run import RayConfig
from zooter_ray.errors import ConfigError
from zooter_ray.outcomes import read_outcomes
from zooter_ray.resources import Check
from zooter_ray.router.directory import read_card
from zooter_ray.router.predictor import RouterPredictor
from zooter_ray.schemas import LABELS

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return {}


def run_once(finished: dict[str, Any], settings: dict[str, Any], console: Console) -> tuple[RunConfig, Any]:
    """One run for all tests of this file; it is complete from the second call on."""
    for expert in settings["generation"]["experts"]:
        expert["engine"].update(first_token_s=0.05, per_token_s=0.01)
    finished.setdefault("settings", settings)
    config = RunConfig.model_validate(finished["settings"])
    return config, pipeline.run(config, console)


def test_labels_carry_outcomes_and_soft_labels(
    finished: dict[str, Any], settings: dict[str, Any], console: Console
) -> None:
    _, result = run_once(finished, settings, console)
    rows = {row["query_id"]: row for row in read_table(result.paths["labeling"], LABELS).to_pylist()}
    assert len(rows) == 36
    assert rows["sums/004"]["rewards"] == rows["sums/004"]["metrics"] == [1.0, 0.0]
    assert rows["sums/004"]["costs"] == [4.0, 9.0]
    e = np.exp(1 / 0.5)
    # Every training sum has the same sample label, so the tag label equals it, whatever beta is.
    assert rows["sums/004"]["label"] == pytest.approx([e / (1 + e), 1 / (1 + e)])
    assert {row["split"] for row in rows.values()} == {"train", "validation", "eval"}
    assert sum(row["split"] == "eval" for row in rows.values()) == 12


def test_the_outcomes_file_reads_back(finished: dict[str, Any], settings: dict[str, Any], console: Console) -> None:
    _, result = run_once(finished, settings, console)
    outcomes = read_outcomes(f"{result.paths['labeling']}/outcomes.parquet", ["adder", "namer"])
    assert outcomes.query_ids[0] == "names/000"
    assert outcomes.rewards_QM[0].tolist() == [0.0, 1.0]


def test_plain_transformers_gives_the_predictors_probabilities(
    finished: dict[str, Any], settings: dict[str, Any], console: Console
) -> None:
    _, result = run_once(finished, settings, console)
    model = AutoModelForSequenceClassification.from_pretrained(result.router).eval()
    tokenizer = AutoTokenizer.from_pretrained(result.router)
    assert model.config.id2label == {0: "adder", 1: "namer"}
    queries = ["What is 5 plus 5?", "What is the name of thing 9, that we spoke of?"]
    with torch.inference_mode():
        logits = model(**tokenizer(queries, padding=True, return_tensors="pt")).logits
    assert RouterPredictor(result.router)(queries) == pytest.approx(logits.softmax(dim=1).numpy(), abs=1e-5)


def test_the_card_says_what_the_router_was_made_from(
    finished: dict[str, Any], settings: dict[str, Any], console: Console
) -> None:
    _, result = run_once(finished, settings, console)
    card = read_card(result.router)
    assert card.experts == ["adder", "namer"]
    assert (card.loss, card.beta, card.temperature, card.pooling, card.max_length) == ("kl", 0.3, 0.5, "native", 32)
    assert card.baselines["per_source"]["sums"] == {"adder": 1.0, "namer": 0.0}
    assert len(card.validation["epochs"]) == 1
    assert not list(Path(result.router).glob("*checkpoint*"))


def test_the_report_compares_with_random_single_and_oracle(
    finished: dict[str, Any], settings: dict[str, Any], console: Console
) -> None:
    _, result = run_once(finished, settings, console)
    report = read_json(result.report)
    means = {method["method"]: method["mean"] for method in report["methods"]}
    assert means["random"] == means["adder"] == means["namer"] == means["best single"] == 0.5
    assert means["oracle"] == 1.0
    assert report["rows"] == 12
    assert set(report["verdicts"]) == {"random", "best single", "best per source", "best per tag", "nearest neighbours"}
    files = {path.name for path in Path(result.report).parent.iterdir()}
    assert {"report.html", "report.md", "metric_per_source.png", "metric_per_source.csv", "manifest.json"} <= files
    assert all(expert["response"] for case in report["cases"] for expert in case["experts"])


def test_a_second_run_makes_nothing_anew(finished: dict[str, Any], settings: dict[str, Any], console: Console) -> None:
    config, first = run_once(finished, settings, console)
    written_anyway = {"run.json", "config.yaml"}

    def times() -> dict[Path, int]:
        files = [path for path in Path(config.run_dir).rglob("*") if path.is_file() and path.name not in written_anyway]
        return {path: path.stat().st_mtime_ns for path in files}

    before = times()
    again = pipeline.run(config, console)
    assert again == first
    assert times() == before
    assert json.loads(Path(config.run_dir, "run.json").read_text()) == first.paths


def has(monkeypatch: pytest.MonkeyPatch, **there_is: float) -> None:
    """As if the run had started a Ray that has no more than this."""

    @contextmanager
    def reached(config: RayConfig) -> Iterator[Check]:
        with connected(config):
            yield partial(check_fits, there_is)

    monkeypatch.setattr(pipeline, "connected", reached)


def test_what_can_never_be_had_is_refused_by_the_stage_that_asks_for_it(
    finished: dict[str, Any], settings: dict[str, Any], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    clusters = {"kind": "clusters", "clusters": 4, "resources": {"num_cpus": 0.25}}
    settings["queries"]["tagger"], settings["training"]["resources"] = clusters, {"num_cpus": 2}
    small = RunConfig.model_validate(settings)
    for cpus, asks in [
        (0, "resources of the tagger asks for 0.25 CPUs"),
        (0.25, "engine.resources of expert adder asks for 0.5 CPUs"),
        (0.5, "resources of reward model reference asks for 1 CPUs"),
        (1, "training.resources asks for 2 CPUs"),
    ]:
        has(monkeypatch, CPU=cpus)
        with pytest.raises(ConfigError, match=f"^{asks}, but the Ray that starts on this machine has {cpus:g}"):
            pipeline.run(small, console)
    has(monkeypatch)
    run_once(finished, settings, console)  # what is complete asks for nothing


def test_a_finished_run_calibrates_the_plan_of_its_own_config(
    finished: dict[str, Any], settings: dict[str, Any], console: Console, tmp_path: Path
) -> None:
    config, _ = run_once(finished, settings, console)
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(finished["settings"]))
    command = ["plan", "--config", str(tmp_path / "run.yaml"), "--gpus", "1", "--gpu", "cpu"]
    output = tmp_path / "plan.json"
    assert main([*command, "--measured", config.run_dir, "--output", str(output)]) == 0
    lines = {line["unit"]: line for line in json.loads(output.read_text())["lines"]}
    (timing,) = (Path(config.run_dir) / "02_responses" / "namer").glob("*/timing.json")
    seconds = json.loads(timing.read_text())["seconds"]
    (other,) = (Path(config.run_dir) / "02_responses" / "adder").glob("*/timing.json")
    # Both experts are simulated, so that calibration knows them as one: the plan has the time of both together.
    both = seconds + json.loads(other.read_text())["seconds"]
    assert lines["adder"]["tokens_out"] == 36 * 4
    assert lines["adder"]["wall_s"] + lines["namer"]["wall_s"] == pytest.approx(both, rel=0.5)


def test_the_papers_tables_are_made_from_a_finished_run(
    finished: dict[str, Any], settings: dict[str, Any], console: Console, tmp_path: Path
) -> None:
    config, _ = run_once(finished, settings, console)
    assert main(["report", "--runs", config.run_dir, "--output", str(tmp_path / "tables")]) == 0
    found = json.loads((tmp_path / "tables" / "tables.json").read_text())
    rows = {row["method"]: row for row in found["table1"]}
    assert (rows["adder"]["mean_task_rank"], rows["adder"]["uplift"], rows["adder"]["inference"]) == (1.5, 0.5, "1")
    assert (rows["oracle"]["mean_task_rank"], rows["oracle"]["inference"]) == (1.0, "2")
    backbone = 6 * (4 * 384**2 + 2 * 384 * 1536)  # the matrices of MiniLM's six layers
    assert rows["zooter"]["ranker_parameters"] == pytest.approx(backbone, rel=0.03)
    (row,) = found["table2"]
    assert (row["loss"], row["beta"], row["temperature"]) == ("kl", 0.3, 0.5)
