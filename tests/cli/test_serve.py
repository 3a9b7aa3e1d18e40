"""`zooter serve`: a service that is started, asked and ended as its user would, and what stops it from starting."""

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from tests.tiny_models import save_router
from zooter_ray.cli.main import main


def config_of(settings: dict[str, Any], tmp_path: Path, port: int, **serving: Any) -> str:
    """The YAML of a run with two simulated experts, served at a port."""
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({**settings, "serving": {"port": port, **serving}}))
    return str(path)


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["serve", *arguments]) == 2
    printed = capfd.readouterr().err
    assert "Traceback" not in printed
    (sentence,) = [line for line in printed.splitlines() if line.startswith("zooter ")]
    return sentence


def test_a_run_without_a_router_is_named(
    settings: dict[str, Any], tmp_path: Path, free_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    sentence = refused(capfd, "--config", config_of(settings, tmp_path, free_port))
    assert f"the run in {settings['run_dir']} has no router yet; run it first" in sentence


def test_a_router_of_another_pool_is_refused(
    settings: dict[str, Any], tmp_path: Path, free_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    router = save_router(tmp_path / "router", ["llama", "vicuna"])
    sentence = refused(capfd, "--config", config_of(settings, tmp_path, free_port), "--router", str(router))
    assert "routes to llama, vicuna, but the service has the experts adder, namer" in sentence


def test_a_port_that_is_taken_is_refused(
    settings: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = refused(capfd, "--config", config_of(settings, tmp_path, port), "--router", "router")
    assert f"cannot listen at 127.0.0.1:{port}" in sentence


def test_capacity_of_an_expert_that_is_not_in_the_pool_is_refused(
    settings: dict[str, Any], tmp_path: Path, free_port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    config = config_of(settings, tmp_path, free_port, experts={"addder": {"max_replicas": 2}})
    assert "serving.experts names 'addder'; experts with an engine are adder, namer" in refused(
        capfd, "--config", config
    )


@pytest.mark.slow
@pytest.mark.extended
def test_it_serves_until_it_is_told_to_end(settings: dict[str, Any], tmp_path: Path, free_port: int) -> None:
    router = save_router(tmp_path / "router", ["adder", "namer"])
    command = ["serve", "--config", config_of(settings, tmp_path, free_port), "--router", str(router)]
    with subprocess.Popen(
        [sys.executable, "-m", "zooter_ray.cli.main", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        printed = "".join(lines)
        (url,) = re.findall(r"The service answers at (\S+)", printed)
        assert all(f"{name} is up" in printed for name in ("router", "ingress", "expert-adder", "expert-namer"))
        with openai.OpenAI(base_url=url, api_key="none") as client:
            reply = client.chat.completions.create(model="zooter", messages=[{"role": "user", "content": "Hi"}])
        assert reply.model in ("adder", "namer")
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(60) == 0
        finally:
            process.kill()
        assert process.stderr.read() == ""
