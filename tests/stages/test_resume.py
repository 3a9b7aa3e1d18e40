"""SIGKILL in the middle of generation, then the same command again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from zooter_ray.artifacts import Unit, is_complete, read_table
from zooter_ray.config import RunConfig
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


def start(config_file: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "zooter_ray.cli.main",
        "run",
        "--config",
        str(config_file),
        "--until",
        "generation",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def test_a_killed_run_resumes_with_at_most_the_other_half_and_what_was_in_flight(
    settings: dict[str, Any], tmp_path: Path
) -> None:
    log = tmp_path / "requests.log"
    settings["generation"]["block_rows"] = BLOCK
    for expert in settings["generation"]["experts"]:
        expert["engine"].update(request_log=str(log), first_token_s=0.4, concurrency=2, tokens=1)
    config = RunConfig.model_validate(settings)
    config_file = tmp_path / "config.yaml"
    config_file.write_text(yaml.safe_dump(settings))

    first = start(config_file)
    deadline = time.monotonic() + 180
    while len(committed(config)) < ROWS / 2 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    before = committed(config)
    assert ROWS / 2 <= len(before) < ROWS, "the kill came in the middle"
    wait_until_quiet(log)
    asked_before = len(log.read_text().splitlines())

    second = start(config_file)
    output, _ = second.communicate(timeout=240)
    assert second.returncode == 0, output.decode()
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
