"""Read and check an outcomes file: what is known of each query over all experts.

JSON Lines (optionally .gz) or Parquet, one row per query: `query_id` (a text or a whole number), `query`, `rewards`
{expert: number}, and optionally `source`, `tags`, `metrics` {expert: number}, `costs` {expert: number}, `split` (train
or eval), `responses` {expert: text}, which the report shows, and `rankings` {reward model: {expert: number}}, which it
ranks by.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from zooter_ray.errors import DataError
from zooter_ray.row_files import check_encodes, check_text, read_rows

LARGEST = 1e100  # of rewards, metrics and costs: their squares can be added up


@dataclass(frozen=True)
class Outcomes:
    """Outcomes of Q queries over M experts; rows are sorted by query id, columns by `experts`."""

    experts: list[str]
    query_ids: list[str]
    queries: list[str]
    sources: list[str]
    tags: list[list[str]]
    splits: list[str]
    rewards_QM: np.ndarray
    metrics_QM: np.ndarray | None
    costs_QM: np.ndarray | None
    is_split: bool = False  # whether the rows say which split they are of
    responses: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # query id -> expert -> text
    rankings: Mapping[str, np.ndarray] = field(default_factory=dict)  # rewards (Q, M) by reward model

    def in_order(self, experts: Sequence[str]) -> "Outcomes":
        """The same outcomes with their columns in the order of `experts`, which must be the same pool."""
        index = [self.experts.index(expert) for expert in experts]
        return replace(
            self,
            experts=list(experts),
            rewards_QM=self.rewards_QM[:, index],
            metrics_QM=None if self.metrics_QM is None else self.metrics_QM[:, index],
            costs_QM=None if self.costs_QM is None else self.costs_QM[:, index],
            rankings={name: rewards_QM[:, index] for name, rewards_QM in self.rankings.items()},
        )

    def rows(self, keep: np.ndarray) -> "Outcomes":
        """The rows where the boolean `keep` (Q,) holds."""
        index = np.flatnonzero(keep)
        return replace(
            self,
            query_ids=[self.query_ids[i] for i in index],
            queries=[self.queries[i] for i in index],
            sources=[self.sources[i] for i in index],
            tags=[self.tags[i] for i in index],
            splits=[self.splits[i] for i in index],
            rewards_QM=self.rewards_QM[index],
            metrics_QM=None if self.metrics_QM is None else self.metrics_QM[index],
            costs_QM=None if self.costs_QM is None else self.costs_QM[index],
            rankings={name: rewards_QM[index] for name, rewards_QM in self.rankings.items()},
        )


def of_split(outcomes: Outcomes, split: str, path: str) -> Outcomes:
    """The rows of a split, or all rows if the file says nothing of splits, and so was split by hand.

    Raises:
        DataError: naming `path` if no row is of this split.
    """
    if not outcomes.is_split:
        return outcomes
    found = outcomes.rows(np.array([name == split for name in outcomes.splits]))
    if not found.query_ids:
        raise DataError(f"{path} has no row whose `split` is {split}")
    return found


def values(outcomes: Outcomes) -> np.ndarray:
    """What is earned (Q, M): the metrics, or the rewards where the outcomes have no metrics."""
    return outcomes.rewards_QM if outcomes.metrics_QM is None else outcomes.metrics_QM


def best_share(value_QM: np.ndarray) -> np.ndarray:
    """1 where an expert is the best of its row, 0 where not, shared (Q, M) where several are: rows add up to 1."""
    best_QM = value_QM == value_QM.max(axis=1, keepdims=True)
    result: np.ndarray = best_QM / best_QM.sum(axis=1, keepdims=True)
    return result


def value_name(outcomes: Outcomes) -> str:
    """What `values` are: metric or reward."""
    return "reward" if outcomes.metrics_QM is None else "metric"


def read_outcomes(path: str, experts: Sequence[str] | None = None) -> Outcomes:
    """Read and check an outcomes file.

    Args:
        path: local path or URI.
        experts: the expected pool, in the wanted order; by default the experts of the file, sorted by name, so that
            the order of keys and rows in the file does not matter.

    Raises:
        DataError: naming the file and the row, if anything is missing, doubled, not finite or of another pool.
    """
    rows = [(where, _with_text_id(row)) for where, row in read_rows(path)]
    if not rows:
        raise DataError(f"{path} has no rows")
    seen: dict[str, str] = {}
    pool = list(experts) if experts is not None else sorted(_mapping(rows[0], "rewards"))
    if len(pool) < 2:
        raise DataError(f"{rows[0][0]}: `rewards` names {pool[0]!r} alone; routing needs two experts or more")
    for where, row in rows:
        _check_row(where, row, pool, named_by="the router" if experts is not None else rows[0][0])
        if (query_id := row["query_id"]) in seen:
            raise DataError(f"{where}: query_id {query_id!r} is also in {seen[query_id]}")
        seen[query_id] = where
    rows.sort(key=lambda item: item[1]["query_id"])
    return _assemble(rows, pool)


def _with_text_id(row: dict[str, Any]) -> dict[str, Any]:
    """The row, its id as a text: many number their queries."""
    return {**row, "query_id": str(row["query_id"])} if type(row.get("query_id")) is int else row


def _mapping(located: tuple[str, dict[str, Any]], key: str) -> dict[str, Any]:
    where, row = located
    value = row.get(key)
    if not isinstance(value, Mapping) or not value or not all(isinstance(expert, str) for expert in value):
        raise DataError(f"{where}: `{key}` must be an object that maps each expert to a number")
    return dict(value)


def _check_row(where: str, row: dict[str, Any], pool: Sequence[str], named_by: str) -> None:
    for key in ("query_id", "query"):
        check_text(where, row, key)
    if row.get("source") is not None:
        check_text(where, row, "source")
    if row.get("split", "train") not in ("train", "eval", None):
        raise DataError(f"{where}: `split` must be train or eval, not {row['split']!r}")
    tags = row.get("tags")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise DataError(f"{where}: `tags` must be a list of texts")
    check_encodes(where, "tags", tags or ())
    for key in ("rewards", "metrics", "costs"):
        if key == "rewards" or row.get(key) is not None:
            _check_numbers(where, key, _mapping((where, row), key), pool, named_by)
    rankings = row.get("rankings") or {}
    if not (isinstance(rankings, Mapping) and all(isinstance(name, str) for name in rankings)):
        raise DataError(f"{where}: `rankings` must be an object that maps reward models to objects of rewards")
    for name in rankings:
        _check_numbers(where, f"reward by {name!r}", _mapping((where, dict(rankings)), name), pool, named_by)
    responses = row.get("responses") or {}
    if not (isinstance(responses, Mapping) and all(isinstance(text, str) for text in responses.values())):
        raise DataError(f"{where}: `responses` must be an object that maps experts to texts")
    check_encodes(where, "rewards", row["rewards"])
    for expert, text in responses.items():
        check_encodes(where, "responses", (expert, " ", text))


def _check_numbers(where: str, key: str, values: dict[str, Any], pool: Sequence[str], named_by: str) -> None:
    if unknown := sorted(set(values) - set(pool)):
        raise DataError(f"{where}: `{key}` names unknown expert {unknown[0]!r}; the pool of {named_by} is {list(pool)}")
    for expert in pool:
        value: Any = values.get(expert)
        if not _is_finite(value) or abs(value) > LARGEST:
            kind = f"number up to {LARGEST:g}" if _is_finite(value) else "finite number"
            what = "is missing" if value is None else f"is {repr(value)[:40]}, not a {kind}"
            raise DataError(f"{where}: the {key.removesuffix('s')} of expert {expert!r} {what}")


def _is_finite(value: Any) -> bool:
    """Whether a value is a number that fits into a float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _assemble(rows: list[tuple[str, dict[str, Any]]], pool: list[str]) -> Outcomes:
    return Outcomes(
        experts=pool,
        query_ids=[row["query_id"] for _, row in rows],
        queries=[row["query"] for _, row in rows],
        sources=[row.get("source") or "all" for _, row in rows],
        tags=[list(dict.fromkeys(row.get("tags") or ())) for _, row in rows],
        splits=[row.get("split") or "train" for _, row in rows],
        rewards_QM=_matrix(rows, "rewards", pool),
        metrics_QM=_optional_matrix(rows, "metrics", pool),
        costs_QM=_optional_matrix(rows, "costs", pool),
        is_split=any(row.get("split") is not None for _, row in rows),
        responses={row["query_id"]: row["responses"] for _, row in rows if row.get("responses")},
        rankings=_rankings(rows, pool),
    )


def _matrix(rows: list[tuple[str, dict[str, Any]]], key: str, pool: list[str]) -> np.ndarray:
    return np.array([[row[key][expert] for expert in pool] for _, row in rows], dtype=np.float64)


def _optional_matrix(rows: list[tuple[str, dict[str, Any]]], key: str, pool: list[str]) -> np.ndarray | None:
    """The matrix if every row has one, None if no row has."""
    have = [row.get(key) is not None for _, row in rows]
    if not any(have):
        return None
    if not all(have):
        raise DataError(f"{rows[have.index(False)][0]}: `{key}` is missing here but given in other rows")
    return _matrix(rows, key, pool)


def _rankings(rows: list[tuple[str, dict[str, Any]]], pool: list[str]) -> dict[str, np.ndarray]:
    """Rewards (Q, M) of the reward models that all rows name."""
    first = rows[0][1].get("rankings") or {}
    for where, row in rows:
        if (row.get("rankings") or {}).keys() != first.keys():
            raise DataError(f"{where}: `rankings` must name the same reward models in every row")
    return {name: _matrix([(where, row["rankings"]) for where, row in rows], name, pool) for name in first}


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
