"""Jobs and the service on a real local cluster, started with Ray's own commands as the README says."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import yaml

from tests.jobs.conftest import ADDRESS, DASHBOARD
from tests.serve_app.conftest import wait_until
from tests.tiny_models import save_router
from zooter_ray.artifacts import read_json

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]

ROOT = Path(__file__).parents[2]
DEPLOYED = ROOT / "serve_app/configs/demo.yaml"
PORT = 28000


def submit(environment: dict[str, str], *entrypoint: str) -> tuple[int, str]:
    """Exit code and output of `ray job submit`, which waits for the job and prints its log."""
    command = ["ray", "job", "submit", "--working-dir", ".", "--", "python", *entrypoint]
    result = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return result.returncode, result.stdout


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


@pytest.fixture
def args(settings: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    """A run's YAML and a router for its experts."""
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(settings))
    return {"config": str(config), "router": str(save_router(tmp_path / "router", ["adder", "namer"]))}


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


def ask(url: str) -> str:
    """Who answers a routed query."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="none") as client:
        return client.chat.completions.create(model="zooter", messages=[{"role": "user", "content": "Hi"}]).model


def deploy(args: dict[str, str], environment: dict[str, str], directory: Path) -> None:
    values = yaml.safe_load(DEPLOYED.read_text())
    values["http_options"] = {"host": "127.0.0.1", "port": PORT}
    values["applications"][0]["args"] = args
    path = directory / "service.yaml"
    path.write_text(yaml.safe_dump(values))
    subprocess.run(["serve", "deploy", str(path)], env=environment, check=True)


def status(environment: dict[str, str]) -> str:
    """What `serve status` shows, from where it asks for it: starting that command takes seconds of the machine."""
    token = Path(environment["RAY_AUTH_TOKEN_PATH"]).read_text()
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{DASHBOARD}/api/serve/applications/", headers=headers).raise_for_status().text


@pytest.mark.extended
def test_serve_run(args: dict[str, str], environment: dict[str, str], tmp_path: Path) -> None:
    start = ["serve", "start", "--http-host", "127.0.0.1", "--http-port", str(PORT)]
    run = ["serve", "run", "serve_app.app:build_app", "config=config.yaml", f"router={args['router']}"]
    here = {**environment, "RAY_ADDRESS": ADDRESS}
    subprocess.run(start, env=here, check=True)
    process = subprocess.Popen(
        run, env=here, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored where the tests run in background
    )  # fmt: skip
    try:
        wait_until(lambda: is_ready(f"http://127.0.0.1:{PORT}"), 120)
        assert ask(f"http://127.0.0.1:{PORT}") in ("adder", "namer")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()


@pytest.mark.extended
def test_serve_deploy(args: dict[str, str], environment: dict[str, str], tmp_path: Path) -> None:
    deploy(args, environment, tmp_path)
    wait_until(lambda: is_ready(f"http://127.0.0.1:{PORT}"), 120)
    assert ask(f"http://127.0.0.1:{PORT}") in ("adder", "namer")

    deploy({**args, "config": "gone.yaml"}, environment, tmp_path)
    wait_until(lambda: "DEPLOY_FAILED" in status(environment), 120)
    assert "config file gone.yaml does not exist in /" in status(environment), "a path is looked for on the cluster"
