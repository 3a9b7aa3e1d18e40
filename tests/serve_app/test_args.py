"""What an application is built from."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from serve_app.app import build_app
from serve_app.args import ServeArgs, router_of_run
from tests import tiny_models
from tests.serve_app.conftest import simulated
from zooter_ray.errors import ArtifactError, ConfigError


def args(router: Path, *experts: str) -> ServeArgs:
    return ServeArgs.model_validate({"router": str(router), "experts": [simulated(expert) for expert in experts]})


def test_a_router_of_another_pool_is_refused(tmp_path: Path) -> None:
    tiny_models.save_router(tmp_path, ["a", "b"])
    with pytest.raises(ArtifactError, match="routes to a, b, but the service has the experts a, c"):
        build_app(args(tmp_path, "a", "c"))


def test_a_directory_that_is_no_router_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is no router directory"):
        build_app(args(tmp_path, "a", "b"))


def test_a_missing_api_key_is_noticed_before_anything_starts(tmp_path: Path) -> None:
    tiny_models.save_router(tmp_path, ["a", "b"])
    engine = {"kind": "http", "base_url": "http://x/v1", "served_name": "m", "api_key_env": "ZOOTER_NO_SUCH_KEY"}
    experts = [simulated("a"), {"id": "b", "engine": engine}]
    with pytest.raises(ConfigError, match="ZOOTER_NO_SUCH_KEY"):
        build_app(ServeArgs.model_validate({"router": str(tmp_path), "experts": experts}))


def test_the_router_of_a_run_is_found_where_the_run_lies_now(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"training": "/elsewhere/run/05_router/router/0123"}')
    assert router_of_run(str(tmp_path)) == f"{tmp_path}/05_router/router/0123"
    with pytest.raises(ConfigError, match="has no router yet"):
        router_of_run(f"{tmp_path}/other")


def test_the_pool_comes_from_a_runs_yaml_or_is_written_out() -> None:
    demo = Path(__file__).parents[2] / "jobs/configs/demo.yaml"
    pool = ServeArgs(router="router", config=str(demo)).pool()
    assert [expert.id for expert in pool.experts] == ["smollm2", "gemma3-base", "gemma3-fewshot"]
    with pytest.raises(ValidationError, match="give either"):
        ServeArgs(router="router")
    with pytest.raises(ValidationError, match="give either"):
        ServeArgs.model_validate({"router": "router", "config": str(demo), "experts": [simulated("a"), simulated("b")]})
