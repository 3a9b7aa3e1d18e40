"""Score responses one by one, in a pool of actors that each hold the reward model."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
from rich.console import Console

from zooter_ray.artifacts import Unit, read_manifest
from zooter_ray.progress import track
from zooter_ray.rewards import Pair, load_reward_model
from zooter_ray.schemas import RESPONSES, REWARDS
from zooter_ray.stages.blocks import WHOLE, close, committed_rows, done_keys, in_actors, rows_of, without_done
from zooter_ray.stages.scoring.rows import REWARDED

COLUMNS = ["query_id", "expert", "sample", "query", "reference", "response"]


def run(
    model: Any, responses: Mapping[str, Unit], rewards: Mapping[str, Unit], block_rows: int, console: Console
) -> None:
    """Make these units of rewards from the responses of the same experts."""
    totals = {expert: read_manifest(unit)["rows_out"] for expert, unit in responses.items()}
    done, finished = done_keys(rewards, REWARDS)
    total = sum(totals.values())
    if finished < total:
        dataset = (
            rows_of(responses.values(), RESPONSES, COLUMNS)
            .map_batches(without_done, fn_args=(done,), **WHOLE)
            .repartition(target_num_rows_per_block=block_rows)
            .map_batches(ScoreBlock, fn_constructor_args=(model,), **in_actors(model.resources, block_rows))
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
        """Rows of REWARDED, one per response."""
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
            REWARDED,
        )
