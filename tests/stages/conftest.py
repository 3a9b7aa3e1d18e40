"""One run with real engines, for all tests that look at what came of it."""

import contextlib
import io
import json
import re
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from rich.console import Console

from tests.conftest import small_run, write_queries
from tests.stages.endpoint import serving
from zooter_ray import pipeline
from zooter_ray.artifacts import parts
from zooter_ray.config import RunConfig, load_config
from zooter_ray.stages import generation, queries

DEMO = Path(__file__).parents[2] / "jobs/configs/demo.yaml"


def with_smollm2(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, answered by the demo's SmolLM2 in few tokens and by a prompt variant of it."""
    demo = load_config(DEMO).model_dump(mode="json")
    smollm2 = demo["generation"]["experts"][0]
    smollm2["decoding"]["max_tokens"] = 8
    smollm2["engine"] |= {"max_model_len": 128, "batch_size": 8, "concurrent_batches": 2}
    brief = {
        "id": "smollm2-brief",
        "same_weights_as": "smollm2",
        "system_prompt": "Be brief.",
        "decoding": smollm2["decoding"],
    }
    return {**settings, "ray": demo["ray"], "generation": {"experts": [smollm2, brief], "block_rows": 4}}


def judge(engine: dict[str, Any]) -> dict[str, Any]:
    """A reward model: an engine that is asked for a digit."""
    return {
        "id": "judge", "kind": "generative", "engine": {**engine, "max_model_len": 512}, "chat_template": None,
        "prompt": "Rate this response from 1 to 9: {response}\nQuery: {query}\nWrite the number only.", "scale": (1, 9),
        "rating": r"(\d)", "decoding": {"temperature": 0, "max_tokens": 8}, "attempts": 1,
    }  # fmt: skip


class VllmRun(NamedTuple):
    """What came of the run, and the engine processes that were killed in the middle of it."""

    config: RunConfig
    result: pipeline.RunResult
    killed: list[int]


def add(query: str, _: int) -> str:
    """An endpoint that can do what SmolLM2 cannot, and nothing else."""
    return f"echo: {sum(map(int, re.findall('[0-9]+', query)))}" if "plus" in query else "echo"


@pytest.fixture(scope="session")
def vllm_run(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> VllmRun:
    """The whole loop: SmolLM2 in vLLM beside an endpoint, SmolLM2 as a judge of both, and a query too long for it.

    The engine is killed as soon as it has answered some queries.
    """
    directory = tmp_path_factory.mktemp("vllm")
    file = write_queries(directory / "queries.jsonl")
    with file.open("a") as lines:
        long = {"query_id": "long", "query": "very " * 200 + "long", "kind": "sums", "split": "train"}
        lines.write(json.dumps(long | {"reference": {"check": "number", "answer": 1}}) + "\n")
    settings = with_smollm2(small_run(directory / "run", file))
    with serving(add) as endpoint:
        remote = {"id": "remote", "engine": {"kind": "http", "base_url": endpoint.base_url, "served_name": "m"}}
        settings["generation"]["experts"].append(remote)
        settings["generation"]["side_by_side"] = True
        settings["scoring"]["reward_models"].append(judge(settings["generation"]["experts"][0]["engine"]))
        settings["labeling"]["reward_model"] = "reference"
        config = RunConfig.model_validate(settings)
        killed: list[int] = []
        killer = threading.Thread(target=kill_engine, args=(config, killed), daemon=True)
        killer.start()
        result = pipeline.run(config, Console(file=io.StringIO()))
        killer.join()
    return VllmRun(config, result, killed)


def kill_engine(config: RunConfig, killed: list[int]) -> None:
    """SIGKILL the process in which vLLM generates, once SmolLM2 has a block of responses."""
    units = generation.units(config.generation, queries.unit(config.queries, config.run_dir), config.run_dir)
    while not parts(units["smollm2"].path):
        time.sleep(0.02)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # others may end meanwhile
            if "EngineCore" in process.name() or "EngineCore" in " ".join(process.cmdline()):
                process.kill()
                killed.append(process.pid)
