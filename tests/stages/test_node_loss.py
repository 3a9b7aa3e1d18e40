"""A node that dies in the middle of a command: no response twice or never, and a router all the same."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from tests.tiny_models import save_bert
from zooter_ray import pipeline
from zooter_ray.artifacts import read_table
from zooter_ray.config import RunConfig
from zooter_ray.router.directory import read_card
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages import generation, queries

pytestmark = [pytest.mark.slow, pytest.mark.extended]
ROOT = Path(__file__).parents[2]


def lose_a_node(folder: Path, pattern: str, count: int, *command: str, **env_vars: str) -> str:
    """What a command of zooter's tells that has two nodes until so many files are there, and one after it."""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | env_vars
    run = subprocess.run(
        [sys.executable, "-m", "tests.stages.node_loss", str(folder), pattern, str(count), *command],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert "lost in the middle: True" in run.stdout
    assert "nodes left: 1" in run.stdout
    return run.stdout


def responses(config: RunConfig) -> dict[tuple[str, str, int], str]:
    """Texts by (expert, query_id, sample), each of which must stand once."""
    units = generation.units(config.generation, queries.unit(config.queries, config.run_dir), config.run_dir)
    rows = [row for unit in units.values() for row in read_table(unit.path, RESPONSES).to_pylist()]
    found = {(row["expert"], row["query_id"], row["sample"]): row["response"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_node_that_is_lost_takes_no_response_with_it(
    settings: dict[str, Any], tmp_path: Path, console: Console, ray_session: None
) -> None:
    settings["generation"]["block_rows"] = 4
    for expert in settings["generation"]["experts"]:
        expert["engine"] |= {"first_token_s": 0.3, "tokens": 1, "concurrency": 2, "resources": {"workers": 3}}
        expert |= {"n": 2, "decoding": {"seed": 1}}
    whole = RunConfig.model_validate({**settings, "run_dir": str(tmp_path / "whole")})
    pipeline.run(whole, console, until="generation")

    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    run_dir = Path(settings["run_dir"])
    lose_a_node(run_dir, "02_responses/**/part-*.parquet", 4, "run", "--config", str(config), "--until", "generation")
    assert responses(RunConfig.model_validate(settings)) == responses(whole)
    assert len(responses(whole)) == 36 * 2 * 2


def test_an_elastic_training_does_without_a_node_that_is_lost(tmp_path: Path) -> None:
    settings = [
        f"training.backbone={save_bert(tmp_path / 'backbone', 2)}", "training.embedder=null", "training.epochs=6",
        "training.batch_size=8", "training.max_length=16", "labeling.validation_share=0.3",
        "training.resources={num_cpus: 3, workers: [1, 3]}",
    ]  # fmt: skip
    rows = [{"query_id": f"q{n:02}", "query": f"sum of {n}", "rewards": {"a": n % 2, "b": 0.5}} for n in range(40)]
    outcomes = tmp_path / "outcomes.jsonl"
    outcomes.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["distill", "--rewards", str(outcomes), "--output", str(tmp_path / "router")]
    command += [part for setting in settings for part in ("--set", setting)]
    # A checkpoint a second, so that there is a middle; and soon aware that a worker cannot come back.
    waits = {"RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "1", "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "10"}
    told = lose_a_node(tmp_path, "training_state.pt", 1, *command, **waits)
    (log,) = re.findall(r"Ray and vLLM write to (\S+)", told)
    sizes = re.findall(r"start training worker group of size (\d)", Path(log).read_text())
    assert (sizes[0], sizes[-1]) == ("2", "1")
    assert [epoch["epoch"] for epoch in read_card(tmp_path / "router").validation["epochs"]] == [1, 2, 3, 4, 5, 6]
    assert "training: 168/168 rows" in told, "28 rows in each epoch, and none of them counted twice"
