"""A node that dies in the middle of generation: every (query, expert, sample) is there once."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from zooter_ray import pipeline
from zooter_ray.artifacts import read_table
from zooter_ray.config import RunConfig
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages import generation, queries

pytestmark = [pytest.mark.slow, pytest.mark.extended]
ROOT = Path(__file__).parents[2]


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

    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    run = subprocess.run(
        [sys.executable, "-m", "tests.stages.node_loss", str(tmp_path / "config.yaml")],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert "a node was lost" in run.stdout
    assert "nodes left: 1" in run.stdout
    assert responses(RunConfig.model_validate(settings)) == responses(whole)
    assert len(responses(whole)) == 36 * 2 * 2
