"""One real engine: SmolLM2 in vLLM under Ray Data LLM, few tokens, the whole loop."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from transformers import AutoTokenizer

from zooter_ray import pipeline
from zooter_ray.artifacts import read_json, read_manifest, read_table
from zooter_ray.chat import fit_prompt
from zooter_ray.config import RunConfig, load_config
from zooter_ray.package_models import resolve_source
from zooter_ray.schemas import RESPONSES
from zooter_ray.stages import generation, queries

pytestmark = [pytest.mark.usefixtures("ray_session"), pytest.mark.slow, pytest.mark.vllm]

DEMO = Path(__file__).parents[2] / "jobs/configs/demo.yaml"


def vllm_config(settings: dict[str, Any]) -> RunConfig:
    """The test's queries, answered by the demo's SmolLM2 and a prompt variant of it."""
    demo = load_config(DEMO).model_dump(mode="json")
    smollm2 = demo["generation"]["experts"][0]
    smollm2["decoding"]["max_tokens"] = 8
    smollm2["engine"]["max_model_len"] = 128
    brief = {
        "id": "smollm2-brief",
        "same_weights_as": "smollm2",
        "system_prompt": "Be brief.",
        "decoding": smollm2["decoding"],
    }
    settings["ray"] = demo["ray"]
    settings["generation"] = {"experts": [smollm2, brief], "block_rows": 16}
    return RunConfig.model_validate(settings)


def test_smollm2_goes_through_every_stage(settings: dict[str, Any], console: Console, queries_file: Path) -> None:
    with queries_file.open("a") as file:
        long = {"query_id": "long", "query": "very " * 200 + "long", "kind": "sums", "split": "train"}
        file.write(json.dumps(long | {"reference": {"check": "number", "answer": 1}}) + "\n")
    config = vllm_config(settings)
    result = pipeline.run(config, console)

    units = generation.units(config.generation, queries.unit(config.queries, config.run_dir), config.run_dir)
    tokenizer = AutoTokenizer.from_pretrained(resolve_source("package:smollm2-135m-instruct"))
    for expert in config.generation.experts:
        rows = read_table(units[expert.id].path, RESPONSES).to_pylist()
        assert len({row["query_id"] for row in rows}) == len(rows) == 36
        assert all(row["response"] and 0 < row["generated_tokens"] <= 8 and row["seconds"] > 0 for row in rows)
        assert all(
            row["prompt_tokens"] == len(fit_prompt(expert, tokenizer, row["query"], 128).token_ids) for row in rows
        )
        (reason,) = read_manifest(units[expert.id])["dropped"]
        assert "leaves room for 120" in reason

    report = read_json(result.report)
    assert {method["method"] for method in report["methods"]} == {
        "random", "smollm2", "smollm2-brief", "best single", "best per source", "best per tag", "nearest neighbours",
        "reward ranking: reference", "zooter", "oracle",
    }  # fmt: skip
    assert "smollm2-brief (same weights as smollm2)" in [method["shown"] for method in report["methods"]]
