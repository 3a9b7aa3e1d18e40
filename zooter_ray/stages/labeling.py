"""Stage 4, labeling: rewards -> `labels`: every query's outcomes over the pool and its soft label.

The join is by query id on the driver: numbers only, one array of Q x M; texts stream through part by part.
"""

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from zooter_ray.artifacts import (
    Unit,
    commit,
    is_complete,
    make_unit,
    parts,
    read_manifest,
    read_table,
    write_manifest,
    write_table,
)
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.errors import StageError
from zooter_ray.labels import has_preference, soft_labels
from zooter_ray.outcomes import Outcomes
from zooter_ray.progress import track
from zooter_ray.queries.sources import hash_fraction
from zooter_ray.schemas import LABELS, QUERIES, REJECTED, RESPONSES, REWARDS

STAGE = "04_labels"
OUTCOMES = "outcomes.parquet"


def unit(
    config: LabelingConfig,
    queries: Unit,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Unit],
    metrics: Mapping[str, Unit] | None,
    run_dir: str,
) -> Unit:
    """The one unit of this stage: it depends on the whole pool."""
    inputs = [queries, *responses.values(), *rewards.values(), *(metrics or {}).values()]
    return make_unit(run_dir, STAGE, "labels", config.identity(), inputs)


def run(
    config: LabelingConfig,
    queries: Unit,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Unit],
    metrics: Mapping[str, Unit] | None,
    run_dir: str,
    console: Console,
) -> Unit:
    """Make the labels unit, if it is not complete.

    Args:
        config: settings of the labels.
        queries: unit of the queries.
        responses: units of the responses by expert; their generated tokens become the costs.
        rewards: units of the distilled reward model by expert, in pool order.
        metrics: units of the rewards by reference, if the run has them; they become the metrics.
        run_dir: where the run lives.
        console: where progress is shown.
    """
    labels = unit(config, queries, responses, rewards, metrics, run_dir)
    if is_complete(labels):
        return labels
    outcomes, dropped = join_outcomes(queries, responses, rewards, metrics, labels)
    table = label_table(outcomes, config)
    write_table(posixpath.join(labels.path, OUTCOMES), outcomes_table(outcomes))
    track(_commit(table, labels), table.num_rows, "labeling", console)
    experts = list(rewards)
    write_manifest(labels, read_manifest(queries)["rows_out"], table.num_rows, dropped, {"experts": experts})
    return labels


def join_outcomes(
    queries: Unit,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Unit],
    metrics: Mapping[str, Unit] | None,
    labels: Unit,
) -> tuple[Outcomes, Counter[str]]:
    """Outcomes of the queries that every expert has a reward for; the others go to `rejected/`."""
    table = pa.concat_tables(list(_query_tables(queries))).sort_by("query_id")
    query_ids = table["query_id"].to_pylist()
    experts = list(rewards)
    rewards_QM = _pivot(query_ids, [rewards[expert] for expert in experts], REWARDS, "reward")
    costs_QM = _pivot(query_ids, [responses[expert] for expert in experts], RESPONSES, "generated_tokens")
    metrics_QM = None if metrics is None else _pivot(query_ids, list(metrics.values()), REWARDS, "reward")
    whole = np.isfinite(rewards_QM).all(axis=1)
    if metrics_QM is not None and not np.isfinite(metrics_QM[whole]).all():
        metrics_QM = None
    dropped = _reject(query_ids, experts, rewards_QM, whole, labels)
    if not whole.any():
        raise StageError("no query has a reward from every expert, so there is nothing to learn from")
    outcomes = Outcomes(
        experts, query_ids, table["query"].to_pylist(), table["source"].to_pylist(), table["tags"].to_pylist(),
        table["split"].to_pylist(), rewards_QM, metrics_QM, costs_QM,
    )  # fmt: skip
    return outcomes.rows(whole), dropped


def _query_tables(queries: Unit) -> Iterator[pa.Table]:
    for part in parts(queries.path):
        yield pq.read_table(part, columns=QUERIES.names).select(QUERIES.names)


def _pivot(query_ids: Sequence[str], units: Sequence[Unit], schema: pa.Schema, column: str) -> np.ndarray:
    """(Q, M) means of a column over samples, one expert's unit after the other; NaN where there is no row."""
    position = {query_id: row for row, query_id in enumerate(query_ids)}
    result = np.full((len(query_ids), len(units)), np.nan)
    for index, expert_unit in enumerate(units):
        table = read_table(expert_unit.path, schema, ["query_id", column])
        rows = np.array([position[query_id] for query_id in table["query_id"].to_pylist()], dtype=np.int64)
        totals = np.bincount(rows, table[column].to_numpy(), minlength=len(query_ids))
        counts = np.bincount(rows, minlength=len(query_ids))
        result[:, index] = np.divide(totals, counts, out=np.full(len(query_ids), np.nan), where=counts > 0)
    return result


def _reject(
    query_ids: Sequence[str], experts: Sequence[str], rewards_QM: np.ndarray, whole: np.ndarray, labels: Unit
) -> Counter[str]:
    """Write the queries that lack a reward, with the first expert that has none."""
    rows = [
        {"query_id": query_ids[row], "expert": (expert := experts[int(np.argmax(np.isnan(rewards_QM[row])))]),
         "reason": f"no reward of expert {expert}"}
        for row in np.flatnonzero(~whole)
    ]  # fmt: skip
    if rows:
        commit(labels.rejected, pa.Table.from_pylist(rows, REJECTED), ["query_id"])
    return Counter(str(row["reason"]) for row in rows)


def with_validation(outcomes: Outcomes, config: LabelingConfig) -> Outcomes:
    """Turn a share of the training rows, by hash of their id, into validation rows."""
    splits = [
        "validation"
        if split == "train" and hash_fraction(config.seed, "validation", query_id) < config.validation_share
        else split
        for query_id, split in zip(outcomes.query_ids, outcomes.splits, strict=True)
    ]
    return replace(outcomes, splits=splits)


def label_table(outcomes: Outcomes, config: LabelingConfig) -> pa.Table:
    """Outcomes and their soft labels as a table of schemas.LABELS; only training rows enter the tag means."""
    split = with_validation(outcomes, config)
    learns_Q = np.array([name == "train" for name in split.splits])
    labels_QM = soft_labels(split.rewards_QM, split.tags, learns_Q, config.temperature, config.beta)
    columns = {
        "query_id": split.query_ids,
        "query": split.queries,
        "source": split.sources,
        "tags": split.tags,
        "split": split.splits,
        "rewards": split.rewards_QM.tolist(),
        "metrics": None if split.metrics_QM is None else split.metrics_QM.tolist(),
        "costs": None if split.costs_QM is None else split.costs_QM.tolist(),
        "label": labels_QM.tolist(),
        "has_preference": has_preference(split.rewards_QM).tolist(),
    }
    filled = {name: [None] * len(split.query_ids) if values is None else values for name, values in columns.items()}
    return pa.table(filled, schema=LABELS)


def outcomes_table(outcomes: Outcomes) -> pa.Table:
    """Outcomes in the form of an outcomes file."""
    columns: dict[str, object] = {
        "query_id": outcomes.query_ids,
        "query": outcomes.queries,
        "source": outcomes.sources,
        "tags": outcomes.tags,
        "split": outcomes.splits,
    }
    matrices = {"rewards": outcomes.rewards_QM, "metrics": outcomes.metrics_QM, "costs": outcomes.costs_QM}
    for name, matrix_QM in matrices.items():
        if matrix_QM is not None:
            columns[name] = pa.StructArray.from_arrays(list(map(pa.array, matrix_QM.T)), outcomes.experts)
    return pa.table(columns)


def _commit(table: pa.Table, labels: Unit, rows_per_file: int = 8192) -> Iterator[int]:
    for start in range(0, table.num_rows, rows_per_file):
        rows = table.slice(start, rows_per_file)
        commit(labels.path, rows, ["query_id"])
        yield rows.num_rows
