"""One local Ray per test session, and small runs with simulated experts."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from xdist.scheduler import LoadScopeScheduling

from serve_app.environment import FAST_PATH
from zooter_ray.cluster import connected
from zooter_ray.config import RunConfig
from zooter_ray.config.run import RayConfig
from zooter_ray.progress import new_console

APART = (  # commands and clusters of their own, and Ray Train; over before the service's vLLM engines take their memory
    "tests/cli/test_serve.py",
    "tests/jobs/test_cluster.py",
    "tests/serve_app/test_plain_path.py",
    "tests/stages/test_node_loss.py",
    "tests/stages/test_resume.py",
    "tests/stages/test_training.py",
    "tests/stages/test_tuning.py",
)


class TwoScopes(LoadScopeScheduling):  # type: ignore[misc]
    """What stands apart in one of xdist's processes, all that shares the session's Ray in another."""

    def _split_scope(self, nodeid: str) -> str:
        return "apart" if nodeid.startswith(APART) else "together"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoScopes:
    """Of `make test`; `pytest` alone is one process."""
    return TwoScopes(config, log)


def pytest_configure() -> None:
    """Serve reads its environment when it is imported, and every process inherits it from the Ray that is started.

    Ray Train looks at its workers every two seconds, and an epoch of a tiny router is over in far less.
    """
    os.environ.update(FAST_PATH, RAY_TRAIN_HEALTH_CHECK_INTERVAL_S="0.2")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The service last: Serve's processes live until the end, and would take their share of every other test's time."""
    items.sort(key=lambda item: "serve_app" in item.path.parts)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """With a GPU by name alone: what asks for one runs on it, and finds that it is a CPU."""
    with connected(RayConfig(num_cpus=8, num_gpus=1)):
        yield


@pytest.fixture
def console() -> Console:
    return new_console(io.StringIO(), width=120)


def write_queries(path: Path) -> Path:
    """24 training and 12 evaluation queries over two sources, with references."""
    rows = [
        {
            "query_id": f"{source}/{number:03}",
            "query": f"What is {number} plus {number}?" if source == "sums" else f"What is the name of thing {number}?",
            "kind": source,
            "split": "eval" if number % 3 == 0 else "train",
            "reference": {"check": "number", "answer": 2 * number}
            if source == "sums"
            else {"check": "contains", "answers": [f"thing {number}"]},
        }
        for source in ("sums", "names")
        for number in range(18)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def small_run(run_dir: Path, queries: Path) -> dict[str, Any]:
    """A run over such queries with two simulated experts, each good at one source."""
    return {
        "run_dir": str(run_dir),
        "ray": {"num_cpus": 8},
        "queries": {
            "sources": [
                {
                    "kind": "file", "name": "test", "path": str(queries), "source_column": "kind",
                    "reference_column": "reference", "split_column": "split",
                }
            ],
        },
        "generation": {
            "block_rows": 8,
            "experts": [
                {"id": "adder", "engine": {"kind": "dummy", "tokens": 4, "accuracy": {"sums": 1.0, "*": 0.0}}},
                {"id": "namer", "engine": {"kind": "dummy", "tokens": 9, "accuracy": {"names": 1.0, "*": 0.0}}},
            ],
        },
        "scoring": {"reward_models": [{"kind": "reference"}]},
        "labeling": {"temperature": 0.5, "validation_share": 0.3},
        "training": {"epochs": 1, "max_length": 32, "batch_size": 8},
        "evaluation": {"draws": 200},
    }  # fmt: skip


@pytest.fixture
def queries_file(tmp_path: Path) -> Path:
    return write_queries(tmp_path / "queries.jsonl")


@pytest.fixture
def settings(tmp_path: Path, queries_file: Path) -> dict[str, Any]:
    return small_run(tmp_path / "run", queries_file)


@pytest.fixture
def config(settings: dict[str, Any]) -> RunConfig:
    return RunConfig.model_validate(settings)
