"""A job on a real local cluster, through the Jobs API."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.job_submission import JobStatus, JobSubmissionClient

from zooter_ray.artifacts import read_json

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PORT, DASHBOARD_PORT = 26379, 28265


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[JobSubmissionClient]:
    """A head node of its own, with token authentication and the environment's Python first on its PATH."""
    token = tmp_path / "token"
    token.write_text("0" * 32)
    token.chmod(0o600)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(token))
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    command = [
        "ray", "start", "--head", "--block", f"--port={PORT}", f"--dashboard-port={DASHBOARD_PORT}", "--num-cpus=8",
        "--include-dashboard=true", "--disable-usage-stats", "--ray-client-server-port=26001",
        "--dashboard-agent-listen-port=26365", "--min-worker-port=30000", "--max-worker-port=30999",
    ]  # fmt: skip
    with (tmp_path / "head.log").open("wb") as log:
        head = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield connected(tmp_path / "head.log")
        finally:
            head.terminate()
            head.wait(60)


def connected(log: Path) -> JobSubmissionClient:
    for _ in range(60):
        try:
            client = JobSubmissionClient(f"http://127.0.0.1:{DASHBOARD_PORT}")
            client.list_jobs()
        except (ConnectionError, RuntimeError):
            time.sleep(1)
        else:
            return client
    raise AssertionError(log.read_text())


def submitted(client: JobSubmissionClient, entrypoint: str) -> tuple[JobStatus, str]:
    job = client.submit_job(entrypoint=entrypoint, runtime_env={"working_dir": str(ROOT), "excludes": ["/tests/"]})
    deadline = time.monotonic() + 300
    while not (status := client.get_job_status(job)).is_terminal() and time.monotonic() < deadline:
        time.sleep(1)
    return status, client.get_job_logs(job)


def test_a_submitted_job_succeeds_and_a_bad_one_fails_in_one_sentence(
    cluster: JobSubmissionClient, settings: dict[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    status, logs = submitted(cluster, f"python jobs/run.py --config {config}")
    assert status == JobStatus.SUCCEEDED, logs
    paths = read_json(f"{settings['run_dir']}/run.json")
    assert read_json(f"{paths['evaluation']}/report.json")["rows"] == 12

    status, logs = submitted(cluster, f"python jobs/queries.py --config {config} --set queries.sede=1")
    assert status == JobStatus.FAILED
    assert "unknown key 'queries.sede'; did you mean 'seed'?" in logs
    assert "Traceback" not in logs
