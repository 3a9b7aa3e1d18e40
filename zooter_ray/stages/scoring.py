"""Stage 3, scoring: every response x every reward model -> `rewards`, one unit per reward model and expert."""

from typing import Any

import pyarrow as pa
from ray.data import ActorPoolStrategy
from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, make_unit, read_manifest
from zooter_ray.config.scoring import ScoringConfig
from zooter_ray.progress import track
from zooter_ray.resources import actor_kwargs, worker_range
from zooter_ray.rewards import Pair, load_reward_model
from zooter_ray.schemas import RESPONSES, REWARDS
from zooter_ray.stages.blocks import WHOLE, close, committed_rows, done_keys, rows_of, without_done

STAGE = "03_rewards"
REWARDS_AND_ERROR = pa.schema([field.with_nullable(True) for field in REWARDS] + [pa.field("error", pa.string())])
COLUMNS = ["query_id", "expert", "sample", "query", "reference", "response"]


def units(config: ScoringConfig, responses: dict[str, Unit], run_dir: str) -> dict[str, dict[str, Unit]]:
    """The unit of each reward model and expert."""
    return {
        model.id: {
            expert: make_unit(run_dir, STAGE, f"{model.id}/{expert}", model.identity(), [unit])
            for expert, unit in responses.items()
        }
        for model in config.reward_models
    }


def run(
    config: ScoringConfig, responses: dict[str, Unit], run_dir: str, console: Console
) -> dict[str, dict[str, Unit]]:
    """Score what is missing; returns the complete units by reward model and expert."""
    all_units = units(config, responses, run_dir)
    for model in config.reward_models:
        todo = {expert: unit for expert, unit in all_units[model.id].items() if not is_complete(unit)}
        if todo:
            _score(model, {expert: responses[expert] for expert in todo}, todo, config.block_rows, console)
    return all_units


def _score(model: Any, responses: dict[str, Unit], rewards: dict[str, Unit], block_rows: int, console: Console) -> None:
    totals = {expert: read_manifest(unit)["rows_out"] for expert, unit in responses.items()}
    done, finished = done_keys(rewards, REWARDS)
    total = sum(totals.values())
    if finished < total:
        low, high = worker_range(model.resources)
        dataset = (
            rows_of(responses.values(), RESPONSES, COLUMNS)
            .map_batches(without_done, fn_args=(done,), **WHOLE)
            .repartition(target_num_rows_per_block=block_rows)
            .map_batches(
                ScoreBlock,
                fn_constructor_args=(model,),
                batch_size=None,
                batch_format="pyarrow",
                compute=ActorPoolStrategy(min_size=low, max_size=high),
                **actor_kwargs(model.resources),
            )
        )
        track(committed_rows(dataset, rewards, REWARDS), total, f"scoring: {model.id}", console, finished)
    for expert, unit in rewards.items():
        close(unit, REWARDS, totals[expert])


class ScoreBlock:
    """Actor: scores the responses of a block."""

    def __init__(self, config: Any) -> None:
        self.model_id = config.id
        self.model = load_reward_model(config)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Rows of REWARDS_AND_ERROR, one per response."""
        rows = block.to_pylist()
        scored = self.model([Pair(row["query"], row["response"], row["reference"]) for row in rows])
        return pa.Table.from_pylist(
            [
                {
                    **{name: row[name] for name in ("query_id", "expert", "sample")},
                    "reward_model": self.model_id,
                    "reward": result.reward,
                    "error": result.error,
                }
                for row, result in zip(rows, scored, strict=True)
            ],
            REWARDS_AND_ERROR,
        )
