"""Jobs on a real local cluster, submitted as the README says."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from zooter_ray.artifacts import read_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PORT, DASHBOARD_PORT = 26379, 28265
DASHBOARD = f"http://127.0.0.1:{DASHBOARD_PORT}"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Token authentication on, and this environment's Python first on the PATH, as a job's `python` is found there."""
    token = tmp_path / "token"
    token.write_text("0" * 32)
    token.chmod(0o600)
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return inherited | {
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_AUTH_MODE": "token",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture
def cluster(tmp_path: Path, environment: dict[str, str]) -> Iterator[None]:
    """A head node that ends with the test."""
    command = [
        "ray", "start", "--head", "--block", f"--port={PORT}", f"--dashboard-port={DASHBOARD_PORT}", "--num-cpus=8",
        "--include-dashboard=true", "--disable-usage-stats", "--ray-client-server-port=26001",
        "--dashboard-agent-listen-port=26365", "--min-worker-port=30000", "--max-worker-port=30999",
    ]  # fmt: skip
    with (tmp_path / "head.log").open("wb") as log:
        head = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_for_dashboard(environment, tmp_path / "head.log")
            yield
        finally:
            # At once: a head that is asked politely takes half a minute.
            for process in [*psutil.Process(head.pid).children(recursive=True), head]:
                process.kill()
            head.wait(60)


def wait_for_dashboard(environment: dict[str, str], log: Path) -> None:
    for _ in range(60):
        listed = subprocess.run(
            ["ray", "job", "list", "--address", DASHBOARD], capture_output=True, env=environment, check=False
        )
        if listed.returncode == 0:
            return
        time.sleep(1)
    raise AssertionError(log.read_text())


def submit(environment: dict[str, str], *entrypoint: str) -> tuple[int, str]:
    """Exit code and output of `ray job submit`, which waits for the job and prints its log."""
    command = ["ray", "job", "submit", "--address", DASHBOARD, "--working-dir", ".", "--", "python", *entrypoint]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return result.returncode, result.stdout


@pytest.mark.usefixtures("cluster")
def test_a_submitted_job_succeeds_and_a_bad_one_fails_in_one_sentence(
    environment: dict[str, str], settings: dict[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    code, output = submit(environment, "jobs/run.py", "--config", str(config))
    assert code == 0, output
    assert "succeeded" in output
    paths = read_json(f"{settings['run_dir']}/run.json")
    assert read_json(f"{paths['evaluation']}/report.json")["rows"] == 12

    code, output = submit(environment, "jobs/queries.py", "--config", str(config), "--set", "queries.sede=1")
    assert code != 0
    assert "unknown key 'queries.sede'; did you mean 'seed'?" in output
    assert 'File "' not in output
