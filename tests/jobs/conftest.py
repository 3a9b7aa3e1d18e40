"""A head node as a cluster has it: token authentication, a dashboard, and Serve as it comes, without our fast path."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from serve_app.environment import FAST_PATH

PORT, DASHBOARD_PORT = 26379, 28265
ADDRESS, DASHBOARD = f"127.0.0.1:{PORT}", f"http://127.0.0.1:{DASHBOARD_PORT}"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Token authentication on, and this environment's Python first on the PATH, as a job's `python` is found there."""
    token = tmp_path_factory.mktemp("token") / "token"
    token.write_text("0" * 32)
    token.chmod(0o600)
    inherited = {name: value for name, value in os.environ.items() if name not in {"RAY_ADDRESS", *FAST_PATH}}
    return inherited | {
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_AUTH_MODE": "token",
        "RAY_DASHBOARD_ADDRESS": DASHBOARD,  # serve's
        "RAY_API_SERVER_ADDRESS": DASHBOARD,  # ray job's
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[None]:
    """A head node that ends with the tests."""
    log_file = tmp_path_factory.mktemp("cluster") / "head.log"
    command = [
        "ray", "start", "--head", "--block", f"--port={PORT}", f"--dashboard-port={DASHBOARD_PORT}", "--num-cpus=8",
        "--include-dashboard=true", "--disable-usage-stats", "--ray-client-server-port=26001",
        "--dashboard-agent-listen-port=26365", "--min-worker-port=30000", "--max-worker-port=30999",
    ]  # fmt: skip
    with log_file.open("wb") as log:
        head = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            wait_for_dashboard(environment, log_file)
            yield
        finally:
            # At once: a head that is asked politely takes half a minute.
            for process in [*psutil.Process(head.pid).children(recursive=True), head]:
                process.kill()
            head.wait(60)


def wait_for_dashboard(environment: dict[str, str], log: Path) -> None:
    for _ in range(60):
        listed = subprocess.run(["ray", "job", "list"], capture_output=True, env=environment, check=False)
        if listed.returncode == 0:
            return
        time.sleep(1)
    raise AssertionError(log.read_text())
