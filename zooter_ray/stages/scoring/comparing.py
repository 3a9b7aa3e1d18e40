"""Rewards by a pair ranker: every two responses to a query are compared, in both orders, and a response's reward
follows from its comparisons with all others.

Comparisons of two experts are a unit that depends on these two alone. Rewards depend on the pool, and are made anew
from the comparisons when it changes, which costs no model. K (query, sample), M experts.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, make_unit, read_manifest, remove
from zooter_ray.config.scoring import PairRankerReward
from zooter_ray.progress import track
from zooter_ray.rewards import Match, load_pair_ranker
from zooter_ray.rewards.comparisons import aggregate
from zooter_ray.schemas import COMPARISONS, RESPONSES, REWARDS
from zooter_ray.stages.blocks import (
    KEYS,
    WHOLE,
    close,
    committed_rows,
    done_keys,
    in_actors,
    in_cluster,
    keys_of,
    partitions_for,
    rows_of,
    without_done,
)
from zooter_ray.stages.scoring.rows import REWARDED, STAGE

MATCHES = pa.schema(
    [
        pa.field("query_id", pa.string()),
        pa.field("sample", pa.int32()),
        pa.field("expert", pa.string()),  # name of the pair, by which blocks are committed
        pa.field("first", pa.string()),
        pa.field("second", pa.string()),
        pa.field("query", pa.string()),
        pa.field("first_response", pa.string()),
        pa.field("second_response", pa.string()),
    ]
)
COMPARISONS_AND_ERROR = pa.schema(
    [*(field.with_nullable(True) for field in COMPARISONS), MATCHES.field("expert"), pa.field("error", pa.string())]
)
TOLD = pa.schema([*(field.with_nullable(True) for field in COMPARISONS), pa.field("expert", pa.string())])


def pair_units(model: PairRankerReward, responses: Mapping[str, Unit], run_dir: str) -> dict[str, Unit]:
    """The unit of comparisons of each two experts, by the pair's name. `~` is in no expert's id."""
    return {
        name: make_unit(run_dir, STAGE, f"{model.id}/{name}", model.identity(), [responses[one] for one in pair])
        for pair in combinations(sorted(responses), 2)
        for name in ["~".join(pair)]
    }


def units(model: PairRankerReward, responses: Mapping[str, Unit], run_dir: str) -> dict[str, Unit]:
    """The unit of rewards of each expert: it depends on its comparisons with every other."""
    pairs = pair_units(model, responses, run_dir)
    return {
        expert: make_unit(
            run_dir,
            STAGE,
            f"{model.id}/{expert}",
            model.identity(),
            [unit for name, unit in pairs.items() if expert in name.split("~")],
        )
        for expert in responses
    }


def run(
    model: PairRankerReward,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Unit],
    block_rows: int,
    run_dir: str,
    console: Console,
) -> None:
    """Make the comparisons that are missing, then these units of rewards.

    Args:
        model: settings of the pair ranker.
        responses: units of all experts of the pool.
        rewards: units to be made, by expert.
        block_rows: comparisons that are committed together.
        run_dir: where the run lives.
        console: where progress is shown.
    """
    pairs = pair_units(model, responses, run_dir)
    todo = {name: unit for name, unit in pairs.items() if not is_complete(unit)}
    if todo:
        _compare(model, responses, todo, block_rows, console)
    _reward(model, responses, pairs, rewards, console)


def _compare(
    model: PairRankerReward, responses: Mapping[str, Unit], pairs: Mapping[str, Unit], block_rows: int, console: Console
) -> None:
    two = {name: [responses[expert].path for expert in name.split("~")] for name in pairs}
    totals = dict(zip(two, ray.get([in_cluster(count_matches, *paths) for paths in two.values()]), strict=True))
    done, finished = done_keys(pairs, COMPARISONS)
    total = sum(totals.values())
    if finished < total:
        rows = rows_of(responses.values(), RESPONSES, ["query_id", "expert", "sample", "query", "response"])
        rows = rows.materialize()
        dataset = (
            rows.repartition(partitions_for(rows.size_bytes()), keys=["query_id"])
            .map_batches(matches, fn_args=(list(pairs),), **WHOLE)
            .map_batches(without_done, fn_args=(done,), **WHOLE)
            .repartition(target_num_rows_per_block=block_rows)
            .map_batches(CompareBlock, fn_constructor_args=(model,), **in_actors(model.resources, block_rows))
        )
        name = f"scoring: {model.id}, pairs"
        track(committed_rows(dataset, pairs, COMPARISONS), total, name, console, finished)
    for name, unit in pairs.items():
        close(unit, COMPARISONS, totals[name])


def count_matches(first: str, second: str) -> int:
    """Comparisons of two experts: one per sample number that either has, for each query that both answered."""
    keys = keys_of(first, RESPONSES), keys_of(second, RESPONSES)
    both = {query_id for query_id, _ in keys[0]} & {query_id for query_id, _ in keys[1]}
    return sum(query_id in both for query_id, _ in keys[0] | keys[1])


def matches(rows: pa.Table, pairs: Sequence[str]) -> pa.Table:
    """Rows of MATCHES from all responses to some queries; an expert with fewer samples is compared by its last one."""
    answers: dict[str, dict[str, dict[int, dict[str, Any]]]] = {}
    for row in rows.to_pylist():
        answers.setdefault(row["query_id"], {}).setdefault(row["expert"], {})[row["sample"]] = row
    found = []
    for query_id in sorted(answers):
        by_expert = answers[query_id]
        for name in pairs:
            first, second = (by_expert.get(expert, {}) for expert in name.split("~"))
            for sample in sorted(first | second) if first and second else ():
                one, other = (samples.get(sample) or samples[max(samples)] for samples in (first, second))
                told = {"first": one["expert"], "second": other["expert"], "query": one["query"]}
                texts = {"first_response": one["response"], "second_response": other["response"]}
                found.append({"query_id": query_id, "sample": sample, "expert": name, **told, **texts})
    return pa.Table.from_pylist(found, MATCHES)


class CompareBlock:
    """Actor: compares the two responses of each row of a block, in both orders."""

    def __init__(self, config: PairRankerReward) -> None:
        self.model = load_pair_ranker(config)

    def __call__(self, block: pa.Table) -> pa.Table:
        """Rows of COMPARISONS_AND_ERROR, one per row of MATCHES."""
        rows = block.to_pylist()
        there = [Match(row["query"], row["first_response"], row["second_response"]) for row in rows]
        back = [Match(row["query"], row["second_response"], row["first_response"]) for row in rows]
        scored = self.model(there + back)
        return pa.Table.from_pylist(
            [
                {
                    **{name: row[name] for name in ("query_id", "sample", "expert", "first", "second")},
                    "forward": forward.reward,
                    "backward": backward.reward,
                    "error": forward.error or backward.error,
                }
                for row, forward, backward in zip(rows, scored[: len(rows)], scored[len(rows) :], strict=True)
            ],
            COMPARISONS_AND_ERROR,
        )


def _reward(
    model: PairRankerReward,
    responses: Mapping[str, Unit],
    pairs: Mapping[str, Unit],
    rewards: Mapping[str, Unit],
    console: Console,
) -> None:
    """Rewards from comparisons; an interrupted unit starts anew, since no model is asked."""
    totals = {expert: read_manifest(responses[expert])["rows_out"] for expert in rewards}
    for unit in rewards.values():
        remove(unit)
    answered = rows_of([responses[expert] for expert in rewards], RESPONSES, [*KEYS, "expert"])
    told = rows_of(pairs.values(), COMPARISONS).map_batches(_as_told, **WHOLE)
    rows = answered.map_batches(_as_told, **WHOLE).union(told).materialize()
    dataset = rows.repartition(partitions_for(rows.size_bytes()), keys=["query_id"]).map_batches(
        rewards_of, fn_args=(model.id, list(responses)), **WHOLE
    )
    name = f"scoring: {model.id}, rewards"
    track(committed_rows(dataset, rewards, REWARDS), sum(totals.values()), name, console)
    for expert, unit in rewards.items():
        close(unit, REWARDS, totals[expert])


def _as_told(rows: pa.Table) -> pa.Table:
    """Responses or comparisons as rows of TOLD: what the other has is null."""
    return pa.concat_tables([TOLD.empty_table(), rows], promote_options="default")


def rewards_of(rows: pa.Table, reward_model: str, experts: Sequence[str]) -> pa.Table:
    """Rows of REWARDED, from all responses to some queries and their comparisons (rows of TOLD)."""
    told = rows.to_pylist()
    answered = sorted((row["query_id"], row["sample"], row["expert"]) for row in told if row["expert"] is not None)
    position = {key: k for k, key in enumerate(sorted({key[:2] for key in answered}))}
    index = {expert: m for m, expert in enumerate(experts)}
    comparisons_KMM = np.full((len(position), len(experts), len(experts)), np.nan)
    for row in told:
        k = position.get((row["query_id"], row["sample"]))
        if row["expert"] is None and k is not None:
            first, second = index[row["first"]], index[row["second"]]
            comparisons_KMM[k, first, second], comparisons_KMM[k, second, first] = row["forward"], row["backward"]
    rewards_KM = aggregate(comparisons_KMM)
    found = []
    for query_id, sample, expert in answered:
        k, m = position[(query_id, sample)], index[expert]
        reward = float(rewards_KM[k, m])
        missing = np.isnan(comparisons_KMM[k, m]) & (np.arange(len(experts)) != m)
        error = f"no comparison with expert {experts[int(missing.argmax())]}" if np.isnan(reward) else ""
        key = {"query_id": query_id, "sample": sample, "expert": expert, "reward_model": reward_model}
        found.append({**key, "reward": None if error else reward, "error": error})
    return pa.Table.from_pylist(found, REWARDED)
