"""An endpoint next to a real engine in one run, side by side, and a real engine as the judge of both."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.stages.endpoint import serving
from zooter_ray import pipeline
from zooter_ray.artifacts import read_json, read_manifest, read_table
from zooter_ray.config import RunConfig, load_config
from zooter_ray.schemas import REJECTED, RESPONSES, REWARDS
from zooter_ray.stages import generation, queries, scoring

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow, pytest.mark.vllm, pytest.mark.extended]

DEMO = Path(__file__).parents[2] / "jobs/configs/demo.yaml"


def test_an_endpoint_beside_an_engine_and_an_engine_as_judge(settings: dict[str, Any], console: Console) -> None:
    demo = load_config(DEMO).model_dump(mode="json")
    smollm2 = demo["generation"]["experts"][0]
    smollm2["decoding"]["max_tokens"] = 8
    judge = {
        "id": "judge", "kind": "generative", "engine": smollm2["engine"], "chat_template": None, "rating": r"(\d)",
        "prompt": "Rate this response from 1 to 9: {response}\nQuery: {query}\nWrite the number only.", "scale": (1, 9),
        "decoding": {"temperature": 0, "max_tokens": 8}, "attempts": 2,
    }  # fmt: skip
    settings["ray"], settings["queries"]["limit"] = demo["ray"], 12
    settings["scoring"] = {"reward_models": [{"kind": "reference"}, judge]}
    settings["labeling"] |= {"reward_model": "reference"}
    with serving(lambda query, _: f"echo: {query}") as endpoint:
        remote = {"id": "remote", "engine": {"kind": "http", "base_url": endpoint.base_url, "served_name": "m"}}
        settings["generation"] = {"experts": [smollm2, remote], "side_by_side": True}
        config = RunConfig.model_validate(settings)
        pipeline.run(config, console, until="labeling")

    drawn = queries.unit(config.queries, config.run_dir)
    responses = generation.units(config.generation, drawn, config.run_dir)
    for unit in responses.values():
        assert len(set(read_table(unit.path, RESPONSES)["query_id"].to_pylist())) == 12
    assert all(
        text.startswith("echo: ") for text in read_table(responses["remote"].path, RESPONSES)["response"].to_pylist()
    )
    judged = scoring.units(config.scoring, responses, config.run_dir)["judge"]
    for unit in judged.values():
        rewards = read_table(unit.path, REWARDS)["reward"].to_pylist()
        assert all(1 <= reward <= 9 for reward in rewards)
        dropped = read_manifest(unit)["dropped"]
        assert len(rewards) + sum(dropped.values()) == 12
        assert set(dropped) <= {"no rating in the judge's reply"}
        assert len(rewards) > 0
        assert all(row["detail"] is not None for row in read_table(unit.rejected, REJECTED).to_pylist())
    (supervision,) = Path(config.run_dir, "04_labels/supervision").iterdir()
    (pair,) = read_json(f"{supervision}/supervision.json")["agreement"]
    assert (pair["first"], pair["second"]) == ("reference", "judge")
