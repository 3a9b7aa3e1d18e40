"""SIGKILL in the middle of generation or of distillation, then the same command again."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from safetensors.numpy import load_file

from tests.tiny_models import save_bert
from zooter_ray import pipeline
from zooter_ray.artifacts import Unit, is_complete, read_table
from zooter_ray.cli.main import main
from zooter_ray.config import RunConfig
from zooter_ray.config.load import load_distill_config
from zooter_ray.router.directory import read_card
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages import generation, queries

pytestmark = pytest.mark.slow

BLOCK = 4
ROWS = 36 * 2


def response_units(config: RunConfig) -> dict[str, Unit]:
    return generation.units(config.generation, queries.unit(config.queries, config.run_dir), config.run_dir)


def committed(config: RunConfig) -> list[tuple[str, str]]:
    return [
        (expert, query_id)
        for expert, unit in response_units(config).items()
        for query_id in read_table(unit.path, RESPONSES, ["query_id"])["query_id"].to_pylist()
    ]


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "zooter_ray.cli.main", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def test_a_killed_run_resumes_with_at_most_the_other_half_and_what_was_in_flight(
    settings: dict[str, Any], tmp_path: Path, ray_session: None
) -> None:
    log = tmp_path / "requests.log"
    settings["generation"]["block_rows"] = BLOCK
    for expert in settings["generation"]["experts"]:
        expert["engine"].update(request_log=str(log), first_token_s=0.4, concurrency=2, tokens=1)
    config = RunConfig.model_validate(settings)
    config_file = tmp_path / "config.yaml"
    config_file.write_text(yaml.safe_dump(settings))

    run = ["run", "--config", str(config_file), "--until", "generation"]
    first = start(*run)
    deadline = time.monotonic() + 180
    while len(committed(config)) < ROWS / 2 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = committed(config)
    assert ROWS / 2 <= len(before) < ROWS, "the kill came in the middle"
    wait_until_quiet(log)
    asked_before = len(log.read_text().splitlines())

    assert main(run) == 0
    asked_again = len(log.read_text().splitlines()) - asked_before
    in_flight = 2 * BLOCK  # the block that the engine had, and one that was done but not committed
    assert asked_again == ROWS - len(before) <= ROWS / 2
    assert asked_before <= len(before) + in_flight
    after = committed(config)
    assert len(after) == len(set(after)) == ROWS
    assert set(before) <= set(after)
    assert all(map(is_complete, response_units(config).values()))


def wait_until_quiet(log: Path) -> None:
    """The killed driver's workers die with it, but not in the same instant."""
    size = -1
    while log.stat().st_size != size:
        size = log.stat().st_size
        time.sleep(2)


def test_a_killed_distillation_goes_on_from_its_last_checkpoint(
    tmp_path: Path, ray_session: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With dropout and a shuffle in every epoch, the weights are those of a run that was left alone."""
    outcomes, settings = tmp_path / "outcomes.jsonl", [
        f"training.backbone={save_bert(tmp_path / 'backbone', 2)}", "training.embedder=null", "training.epochs=5",
        "training.batch_size=8", "training.max_length=16", "training.learning_rate=0.001", "training.keep=last",
        "labeling.validation_share=0.3",
    ]  # fmt: skip
    rows = [{"query_id": f"q{n:02}", "query": f"sum of {n}", "rewards": {"a": n % 2, "b": 0.5}} for n in range(40)]
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    whole, router = tmp_path / "whole", tmp_path / "router"
    pipeline.distill(str(outcomes), str(whole), load_distill_config(None, settings), Console(file=io.StringIO()))

    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "1")  # an epoch: time enough to be killed in between
    command = ["distill", "--rewards", str(outcomes), "--output", str(router)]
    command += [part for setting in settings for part in ("--set", setting)]
    first = start(*command)
    deadline = time.monotonic() + 180
    while not list(tmp_path.glob("router.work/**/training_state.pt")) and time.monotonic() < deadline:
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.wait()
    assert not router.exists(), "the kill came in the middle"
    monkeypatch.delenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S")
    capfd.readouterr()
    assert main(command) == 0
    done, every = re.findall(r"training: (\d+)/(\d+) rows", capfd.readouterr().out)[-1]
    assert int(done) < int(every), "what the checkpoint has is not trained again"
    assert read_card(router).validation == read_card(whole).validation
    weights, expected = (load_file(path / "model.safetensors") for path in (router, whole))
    for name, weight in weights.items():
        assert weight == pytest.approx(expected[name], abs=1e-6), name
