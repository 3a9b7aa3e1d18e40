"""Stage 4, labeling: rewards -> `labels`: every query's outcomes over the pool and its soft label.

The join is by query id on the driver: numbers only, one array of Q x M; texts stream through part by part.
"""

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from zooter_ray.artifacts import (
    Unit,
    commit,
    file_system,
    is_complete,
    make_unit,
    parts,
    read_manifest,
    write_manifest,
    write_table,
)
from zooter_ray.config.labeling import LabelingConfig
from zooter_ray.errors import StageError
from zooter_ray.labels import label_table
from zooter_ray.outcomes import Outcomes, outcomes_table, read_outcomes
from zooter_ray.progress import track
from zooter_ray.schemas import QUERIES, REJECTED, RESPONSES, REWARDS
from zooter_ray.stages.blocks import pivot

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
    outcomes, dropped = join_outcomes(queries, responses, rewards, metrics, labels, console)
    table = label_table(outcomes, config)
    write_table(posixpath.join(labels.path, OUTCOMES), outcomes_table(outcomes))
    track(_commit(table, labels), table.num_rows, "labeling", console)
    experts = list(rewards)
    write_manifest(labels, read_manifest(queries)["rows_out"], table.num_rows, dropped, {"experts": experts})
    return labels


def run_on_outcomes(
    config: LabelingConfig, outcomes_path: str, run_dir: str, console: Console
) -> tuple[Unit, Outcomes]:
    """Label an outcomes file instead of a run's rewards; rows of its split `eval` are held out."""
    outcomes = read_outcomes(outcomes_path)
    sink = pa.BufferOutputStream()
    pq.write_table(outcomes_table(outcomes), sink)
    settings = {**config.identity(), "outcomes": hashlib.sha256(sink.getvalue()).hexdigest()}
    labels = make_unit(run_dir, STAGE, "labels", settings)
    if not is_complete(labels):
        table = label_table(outcomes, config)
        track(_commit(table, labels), table.num_rows, "labeling", console)
        write_manifest(labels, len(outcomes.query_ids), table.num_rows, {}, {"experts": outcomes.experts})
    return labels, outcomes


def join_outcomes(
    queries: Unit,
    responses: Mapping[str, Unit],
    rewards: Mapping[str, Unit],
    metrics: Mapping[str, Unit] | None,
    labels: Unit,
    console: Console,
) -> tuple[Outcomes, Counter[str]]:
    """Outcomes of the queries that every expert has a reward for; the others go to `rejected/`."""
    table = pa.concat_tables(list(_query_tables(queries))).sort_by("query_id")
    query_ids = table["query_id"].to_pylist()
    experts = list(rewards)
    rewards_QM = pivot(query_ids, [rewards[expert] for expert in experts], REWARDS, "reward")
    costs_QM = pivot(query_ids, [responses[expert] for expert in experts], RESPONSES, "generated_tokens")
    metrics_QM = None if metrics is None else pivot(query_ids, list(metrics.values()), REWARDS, "reward")
    whole = np.isfinite(rewards_QM).all(axis=1)
    if metrics_QM is not None and (missing := int(np.isnan(metrics_QM[whole]).any(axis=1).sum())):
        console.print(f"labeling: {missing} queries have no metric, so the evaluation goes by rewards", highlight=False)
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
        fs, path = file_system(part)
        yield pq.read_table(path, columns=QUERIES.names, filesystem=fs).select(QUERIES.names)


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


def _commit(table: pa.Table, labels: Unit, rows_per_file: int = 8192) -> Iterator[int]:
    for start in range(0, table.num_rows, rows_per_file):
        rows = table.slice(start, rows_per_file)
        commit(labels.path, rows, ["query_id"])
        yield rows.num_rows
