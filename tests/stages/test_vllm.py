"""A real engine: SmolLM2 in vLLM under Ray Data LLM, few tokens, beside an endpoint and as the judge of both.

Its process is killed in the middle of generation.
"""

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from tests.stages.conftest import VllmRun
from zooter_ray.artifacts import Unit, read_json, read_manifest, read_table
from zooter_ray.chat import fit_prompt
from zooter_ray.config import RunConfig
from zooter_ray.package_models import resolve_source
from zooter_ray.schemas import REJECTED, RESPONSES, REWARDS
from zooter_ray.stages import generation, queries, scoring

pytestmark = [pytest.mark.slow, pytest.mark.vllm]


def response_units(config: RunConfig) -> dict[str, Unit]:
    return generation.units(config.generation, queries.unit(config.queries, config.run_dir), config.run_dir)


def rows_of(unit: Unit) -> list[dict[str, Any]]:
    return read_table(unit.path, RESPONSES).to_pylist()


def test_an_engine_that_is_killed_answers_every_query_that_fits_once_from_the_prompt_meant_for_it(
    vllm_run: VllmRun,
) -> None:
    assert vllm_run.killed
    config = vllm_run.config
    units = response_units(config)
    tokenizer = AutoTokenizer.from_pretrained(resolve_source("package:smollm2-135m-instruct"))
    for expert in config.generation.experts[:2]:
        rows = rows_of(units[expert.id])
        assert len({row["query_id"] for row in rows}) == len(rows) == 36
        assert all(row["response"] and 0 < row["generated_tokens"] <= 8 and row["seconds"] > 0 for row in rows)
        assert all(
            row["prompt_tokens"] == len(fit_prompt(expert, tokenizer, row["query"], 128).token_ids) for row in rows
        )
        (reason,) = read_manifest(units[expert.id])["dropped"]
        assert "leaves room for 120" in reason


def test_an_endpoint_answers_beside_it(vllm_run: VllmRun) -> None:
    rows = rows_of(response_units(vllm_run.config)["remote"])
    assert len({row["query_id"] for row in rows}) == len(rows) == 37
    assert all(row["response"].startswith("echo") for row in rows)


def test_an_engine_judges_all_of_them(vllm_run: VllmRun) -> None:
    config = vllm_run.config
    responses = response_units(config)
    judged = scoring.units(config.scoring, responses, config.run_dir)["judge"]
    for expert, unit in judged.items():
        rewards = read_table(unit.path, REWARDS)["reward"].to_pylist()
        assert rewards
        assert all(1 <= reward <= 9 for reward in rewards)
        dropped = read_manifest(unit)["dropped"]
        assert len(rewards) + sum(dropped.values()) == len(rows_of(responses[expert]))
        assert set(dropped) <= {"no rating in the judge's reply"}
        assert all(row["detail"] is not None for row in read_table(unit.rejected, REJECTED).to_pylist())
    (supervision,) = Path(config.run_dir, "04_labels/supervision").iterdir()
    (pair,) = read_json(f"{supervision}/supervision.json")["agreement"]
    assert (pair["first"], pair["second"]) == ("reference", "judge")


def test_the_report_compares_the_router_with_all_that_is_known(vllm_run: VllmRun) -> None:
    report = read_json(vllm_run.result.report)
    assert {method["method"] for method in report["methods"]} >= {
        "random", "smollm2", "smollm2-brief", "remote", "best single", "best per source", "best per tag",
        "nearest neighbours", "reward ranking: reference", "zooter", "oracle",
    }  # fmt: skip
    assert "smollm2-brief (same weights as smollm2)" in [method["shown"] for method in report["methods"]]
