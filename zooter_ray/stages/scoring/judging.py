"""Rewards by a judge, through the engines of the generation stage; replies without a rating are asked for again."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from ray.data import Dataset
from rich.console import Console

from zooter_ray.artifacts import Unit, read_manifest
from zooter_ray.config.generation import ExpertConfig
from zooter_ray.config.scoring import GenerativeReward
from zooter_ray.progress import track
from zooter_ray.rewards import Pair, Scored
from zooter_ray.rewards.generative import UNREADABLE, judge_query, read_rating
from zooter_ray.schemas import RESPONSES, REWARDS
from zooter_ray.stages.blocks import (
    WHOLE,
    close,
    committed_rows,
    done_keys,
    rows_among,
    rows_of,
    take_rejected,
    without_done,
)
from zooter_ray.stages.engines import ENGINES
from zooter_ray.stages.engines.ledger import ENGINE_DEATHS, new_ledger
from zooter_ray.stages.scoring.rows import REWARDED

COLUMNS = ["query_id", "expert", "sample", "query", "reference", "response"]


def run(model: GenerativeReward, responses: Mapping[str, Unit], rewards: Mapping[str, Unit], console: Console) -> None:
    """Make these units of rewards from the responses of the same experts."""
    totals = {expert: read_manifest(unit)["rows_out"] for expert, unit in responses.items()}
    total = sum(totals.values())
    done, finished = done_keys(rewards, REWARDS)
    rows = rows_of(responses.values(), RESPONSES, COLUMNS)
    if finished < total:
        left = rows.map_batches(without_done, fn_args=(done,), **WHOLE)
        track(_judge(model, left, rewards, attempt=0), total, f"scoring: {model.id}", console, finished)
    for attempt in range(1, model.attempts):
        unreadable, count = take_rejected(rewards, UNREADABLE)
        if not count:
            break
        left = rows.map_batches(rows_among, fn_args=(unreadable,), **WHOLE)
        name = f"scoring: {model.id}, attempt {attempt + 1} at replies without a rating"
        track(_judge(model, left, rewards, attempt), count, name, console)
    for expert, unit in rewards.items():
        close(unit, REWARDS, totals[expert])


def _judge(model: GenerativeReward, rows: Dataset, rewards: Mapping[str, Unit], attempt: int) -> Iterator[int]:
    """Ask the judge about rows of responses and commit its ratings; yields the rows committed."""
    asked = rows.repartition(target_num_rows_per_block=model.block_rows).map_batches(ask, fn_args=(model,), **WHOLE)
    ledger = new_ledger(rewards.values(), ENGINE_DEATHS)
    replies = ENGINES[model.engine.kind](asked, model.engine, judges(model, list(rewards), attempt), ledger)
    judged = replies.map_batches(read_replies, fn_args=(model,), **WHOLE)
    return committed_rows(judged, rewards, REWARDS, timed=attempt == 0)


def judges(model: GenerativeReward, experts: Sequence[str], attempt: int) -> list[ExpertConfig]:
    """The judge as an engine knows it: once for each expert whose responses it is asked about."""
    judge = ExpertConfig(
        id="judge",
        engine=model.engine,
        chat_template=model.chat_template,
        system_prompt=model.system_prompt,
        decoding=model.decoding.at_attempt(attempt, model.retry_temperature),
    )
    return [judge.model_copy(update={"id": expert}) for expert in experts]


def ask(rows: pa.Table, model: GenerativeReward) -> pa.Table:
    """Rows of responses with what the judge is asked in place of the query."""
    pairs = [Pair(row["query"], row["response"], row["reference"]) for row in rows.to_pylist()]
    asked = pa.array([judge_query(model, pair) for pair in pairs], pa.string())
    kept = rows.drop_columns(["query", "response"]).append_column("query", asked)
    return kept.append_column("source", pa.array([model.id] * rows.num_rows, pa.string()))


def read_replies(rows: pa.Table, model: GenerativeReward) -> pa.Table:
    """Rows of REWARDED out of the judge's replies; one that holds no rating is kept as the detail."""
    found = []
    for row in rows.to_pylist():
        scored = Scored(None, row["error"]) if row["error"] else read_rating(model, row["response"])
        told = {name: row[name] for name in ("query_id", "expert", "sample")}
        detail = row["response"] if scored.error == UNREADABLE else None
        found.append(
            {**told, "reward_model": model.id, "reward": scored.reward, "error": scored.error, "detail": detail}
        )
    return pa.Table.from_pylist(found, REWARDED)
