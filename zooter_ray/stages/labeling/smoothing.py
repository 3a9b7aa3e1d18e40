"""Soft labels by map and reduce: section 3.2 of the paper on blocks of outcomes.

Each pass maps a function of labels.py over the blocks; what it reduces to is added up in a worker and read by the next.
"""

import posixpath
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import ray
from ray.data import Dataset
from rich.console import Console

from zooter_ray.artifacts import (
    Unit,
    commit,
    is_complete,
    parts,
    read_manifest,
    read_part,
    remove,
    write_json,
    write_manifest,
    write_table,
)
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.errors import StageError
from zooter_ray.evaluation.agreement import add_sums, supervision_sums
from zooter_ray.labels import for_sources, labelled, soft_labels, training_partials
from zooter_ray.moments import Moments
from zooter_ray.outcomes import Outcomes, outcomes_table
from zooter_ray.progress import track
from zooter_ray.schemas import (
    LABELS,
    OUTCOMES,
    OUTCOMES_FILE,
    REJECTED,
    SUPERVISION_FILE,
    TAG_LABELS,
    TAG_LABELS_FILE,
    TAG_SUMS,
    TAGS,
)
from zooter_ray.stages.blocks import WHOLE, in_cluster, partitions_for, rows_of
from zooter_ray.stages.counts import add_up, count_table
from zooter_ray.stages.labeling.rows import Pool, learned_rows, outcomes_of, rewards_by_model, training_moments
from zooter_ray.tag_means import TagPartial, combine_partials, tag_means


def run(config: LabelingConfig, pool: Pool, known: Unit, tags: Unit | None, labels: Unit, console: Console) -> None:
    """Make the unit of labels, if it is not complete.

    Raises:
        StageError: if no query has a reward from every expert.
    """
    if is_complete(labels):
        return
    remove(labels)
    rows = _retagged(rows_of([known], OUTCOMES), tags).materialize()
    config = for_sources(config, rows.unique("source") if config.source_as_tag else ())
    over = _moments(rows, pool, config)
    partials = rows.map_batches(_partials, fn_args=(pool, config, over), **WHOLE)
    tag_file = posixpath.join(labels.path, TAG_LABELS_FILE)
    means = in_cluster(_tag_labels, tag_file, config.prior_rows, *partials.to_arrow_refs())
    args = (pool, config, over, means, labels.path, labels.rejected)
    counts: dict[str, Counter[str]] = {"labels": Counter(), "reasons": Counter(), "no metric": Counter()}
    total = read_manifest(known)["rows_out"]
    committed = rows.map_batches(_label_block, fn_args=args, **WHOLE)
    track(add_up(committed, counts, "rows"), total, "labeling", console)
    left, rejected = sum(counts["labels"].values()), sum(counts["reasons"].values())
    if left + rejected != total:
        raise StageError(f"{labels.stage}/{labels.name}: of {total} queries {left + rejected} were seen; run again")
    if not left:
        raise StageError(f"no query has a reward of {pool.rewards_of} from every expert: nothing to learn from")
    missing = left if pool.reference is None else sum(counts["no metric"].values())
    if pool.reference is not None and missing:
        console.print(f"labeling: {missing} queries have no metric, so the evaluation goes by rewards", highlight=False)
    if not ray.get(in_cluster(_write_outcomes, labels.path, list(pool.experts), missing == 0)):
        console.print("labeling: not every response has its tokens, so the report has no costs", highlight=False)
    extra = {"experts": list(pool.experts), "reward_models": list(pool.reward_models), "outcomes": known.path}
    write_manifest(labels, total, left, counts["reasons"], extra)


def supervise(config: LabelingConfig, pool: Pool, known: Unit, tags: Unit | None, supervision: Unit) -> None:
    """Make the unit of supervision, if it is not complete."""
    if is_complete(supervision):
        return
    rows = _retagged(rows_of([known], OUTCOMES), tags).materialize()
    sums = rows.map_batches(_supervision, fn_args=(pool, config, _moments(rows, pool, config)), **WHOLE)
    ray.get(in_cluster(_write_supervision, posixpath.join(supervision.path, SUPERVISION_FILE), *sums.to_arrow_refs()))
    total = read_manifest(known)["rows_out"]
    write_manifest(supervision, total, total, {})


def _retagged(rows: Dataset, tags: Unit | None) -> Dataset:
    """Rows of OUTCOMES with other tags, if there are any."""
    if tags is None:
        return rows
    bare = rows.map_batches(_without_tags, **WHOLE).materialize()
    other = rows_of([tags], TAGS, ["query_id", "tags"])
    joined = bare.join(other, "inner", partitions_for(bare.size_bytes()), on=("query_id",))
    return joined.map_batches(_in_order, **WHOLE)


def _without_tags(rows: pa.Table) -> pa.Table:
    return rows.drop_columns(["tags"])


def _in_order(rows: pa.Table) -> pa.Table:
    return rows.select(OUTCOMES.names).sort_by("query_id")


def _moments(rows: Dataset, pool: Pool, config: LabelingConfig) -> dict[str, Moments]:
    """Moments of the reward models that are averaged, over all training rows."""
    if config.reward_weights is None:
        return {}
    tables = ray.get(rows.map_batches(_moments_of_block, fn_args=(pool, config), **WHOLE).to_arrow_refs())
    found = sorted((row for table in tables for row in table.to_pylist()), key=repr)  # in one order, as tags below
    return {
        name: sum((Moments(**row["moments"]) for row in found if row["name"] == name), Moments(0, 0.0, 0.0))
        for name in config.reward_weights
    }


def _moments_of_block(block: pa.Table, pool: Pool, config: LabelingConfig) -> pa.Table:
    return pa.Table.from_pylist(
        [{"name": name, "moments": vars(found)} for name, found in training_moments(block, pool, config).items()]
    )


def _partials(block: pa.Table, pool: Pool, config: LabelingConfig, over: Mapping[str, Moments]) -> pa.Table:
    """Sums of each tag over a block."""
    outcomes, whole_Q = outcomes_of(block, pool, config, over)
    rows = [
        {"tag": tag, "queries": p.count, "label": p.total_M.tolist(), "squares": p.squares_M.tolist()}
        for tag, p in sorted(training_partials(outcomes.rows(whole_Q), config).items())
    ]
    return pa.Table.from_pylist(rows, TAG_SUMS)


def _tag_labels(path: str, prior_rows: float | Literal["auto"], *tables: pa.Table) -> dict[str, np.ndarray]:
    """s_t of every tag; written to a file as well."""
    found = [table.to_pylist() for table in tables if table.num_rows]
    found.sort(key=repr)  # floats are added up in the same order, whichever block came first
    combined = combine_partials(
        {row["tag"]: TagPartial(np.array(row["label"]), row["queries"], np.array(row["squares"])) for row in rows}
        for rows in found
    )
    means = tag_means(combined, prior_rows)
    rows = [{"tag": tag, "queries": combined[tag].count, "label": means[tag].tolist()} for tag in sorted(combined)]
    write_table(path, pa.Table.from_pylist(rows, TAG_LABELS))
    return means


def _label_block(
    block: pa.Table,
    pool: Pool,
    config: LabelingConfig,
    over: Mapping[str, Moments],
    means: Any,
    path: str,
    rejected: str,
) -> pa.Table:
    """Write the labels and the rejected rows of a block; counts of both."""
    outcomes, whole_Q = outcomes_of(block, pool, config, over)
    whole = outcomes.rows(whole_Q)
    table = labelled(whole, soft_labels(whole, ray.get(means), config))
    if table.num_rows:
        commit(path, table, ["query_id"])
    reasons = _reject(outcomes.rows(~whole_Q), pool.rewards_of, rejected)
    no_metric = table["metrics"].null_count if pool.reference is not None else 0
    columns = {"rows": block.num_rows, "labels": table.num_rows, "no metric": no_metric}
    return count_table({"reasons": reasons, **{what: [""] * count for what, count in columns.items()}})


def _reject(outcomes: Outcomes, rewards_of: str, path: str) -> list[str]:
    """Write rows that lack a reward, with the first expert that has none; returns the reasons."""
    experts = [outcomes.experts[index] for index in np.isnan(outcomes.rewards_QM).argmax(axis=1)]
    rows = [
        {"query_id": query_id, "expert": expert, "reason": f"no reward of expert {expert} by {rewards_of}"}
        for query_id, expert in zip(outcomes.query_ids, experts, strict=True)
    ]
    if rows:
        commit(path, pa.Table.from_pylist(rows, REJECTED), ["query_id"])
    return [row["reason"] for row in rows]


def _supervision(block: pa.Table, pool: Pool, config: LabelingConfig, over: Mapping[str, Moments]) -> pa.Table:
    """Sums of agreement and entropy over the training rows of a block."""
    outcomes, whole_Q = outcomes_of(block, pool, config, over)
    learned_Q = learned_rows(outcomes, whole_Q)
    rewards = {name: rewards_QM[learned_Q] for name, rewards_QM in rewards_by_model(block, pool).items()}
    learned = outcomes.rows(learned_Q)
    return supervision_sums(rewards, learned.rewards_QM, learned.tags, config.temperature)


def _write_supervision(path: str, *tables: pa.Table) -> None:
    write_json(path, add_sums(tables).model_dump())


def _write_outcomes(directory: str, experts: list[str], has_metrics: bool) -> bool:
    """The labelled rows as an outcomes file, part by part; with metrics if every row has them.

    Returns whether it has costs: every row has them, too, but where an endpoint does not tell.
    """
    has_costs = all(read_part(part, LABELS, ["costs"])["costs"].null_count == 0 for part in parts(directory))
    tables = [outcomes_table(_outcomes(part, experts, has_metrics, has_costs)) for part in parts(directory)]
    write_table(posixpath.join(directory, OUTCOMES_FILE), pa.concat_tables(tables).sort_by("query_id"))
    return has_costs


def _outcomes(part: str, experts: list[str], has_metrics: bool, has_costs: bool) -> Outcomes:
    rows = read_part(part, LABELS, LABELS.names)
    query_ids, queries, sources, tags = (rows[name].to_pylist() for name in ("query_id", "query", "source", "tags"))
    splits = ["eval" if split == "eval" else "train" for split in rows["split"].to_pylist()]
    rewards_QM = np.array(rows["rewards"].to_pylist(), dtype=np.float64)
    metrics_QM = np.array(rows["metrics"].to_pylist(), dtype=np.float64) if has_metrics else None
    costs_QM = np.array(rows["costs"].to_pylist(), dtype=np.float64) if has_costs else None
    return Outcomes(experts, query_ids, queries, sources, tags, splits, rewards_QM, metrics_QM, costs_QM)
