"""What baselines learn from training rows: each expert's means, the embeddings of the queries, and which they were.

Distillation leaves it in the router directory, so that a router can be evaluated without its training data:
`baselines` in zooter.json, and the arrays in a file beside it.
"""

import io
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from zooter_ray.errors import ArtifactError, one_line
from zooter_ray.hashing import text_hashes
from zooter_ray.outcomes import Outcomes, value_name, values

Embed = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class TrainingRows:
    """The queries that baselines learn from, and what each expert earned on them."""

    experts: list[str]
    queries: list[str]
    sources: list[str]
    tags: list[list[str]]
    value_QM: np.ndarray
    value: str  # what it is: metric, or reward where there are no metrics


@dataclass(frozen=True)
class Learned:
    """What baselines know."""

    overall: dict[str, float]  # mean of each expert over the sources
    per_source: dict[str, dict[str, float]]
    per_tag: dict[str, dict[str, float]] = field(default_factory=dict)
    tag_rows: dict[str, int] = field(default_factory=dict)
    value: str = "metric"  # or reward: what the means are of
    embedder: str | None = None
    embedder_length: int = 0
    embeddings_QD: np.ndarray | None = None
    value_QM: np.ndarray | None = None
    seen_Q: np.ndarray | None = None  # text hashes of all queries that a router may have learned from; None: not known

    def rows_seen(self, queries: Sequence[str]) -> int:
        """How many of these queries are training queries as well; 0 where those are not known."""
        return 0 if self.seen_Q is None else int(np.isin(text_hashes(queries), self.seen_Q).sum())

    def to_json(self) -> dict[str, Any]:
        """All but the arrays."""
        names = ("overall", "per_source", "per_tag", "tag_rows", "value", "embedder", "embedder_length")
        return {name: getattr(self, name) for name in names}

    def to_npz(self) -> bytes:
        """The arrays, as the content of an .npz file; half precision is ample for a ranking."""
        arrays: dict[str, Any] = {"seen": self.seen_Q, "values": self.value_QM}
        if self.embeddings_QD is not None:
            arrays["embeddings"] = self.embeddings_QD.astype(np.float16)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **{name: array for name, array in arrays.items() if array is not None})
        return buffer.getvalue()


def learned_from_json(content: Mapping[str, Any], arrays: bytes | None) -> Learned:
    """What a router directory holds.

    Raises:
        ArtifactError: if the arrays are damaged, or another version wrote the means.
    """
    try:
        means = Learned(**content)
    except TypeError as error:
        raise ArtifactError(f"another version wrote the router's baselines ({error}); distil again") from None
    if arrays is None:
        return means
    try:
        with np.load(io.BytesIO(arrays), allow_pickle=False) as file:
            found = {name: file[name] for name in file}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise ArtifactError(f"the arrays of the router's baselines are damaged: {one_line(error)}") from None
    return replace(means, embeddings_QD=found.get("embeddings"), value_QM=found.get("values"), seen_Q=found.get("seen"))


def learn(rows: TrainingRows, embed: Embed | None = None, embedder: str | None = None, length: int = 0) -> Learned:
    """Means per source and tag, and the embeddings if there is an embedder."""
    per_source = _means(rows, [[source] for source in rows.sources])
    per_tag = _means(rows, rows.tags)
    overall = {
        expert: float(np.mean([mean_M[index] for mean_M, _ in per_source.values()]))
        for index, expert in enumerate(rows.experts)
    }
    return Learned(
        overall=overall,
        per_source={source: named(rows.experts, mean_M) for source, (mean_M, _) in per_source.items()},
        per_tag={tag: named(rows.experts, mean_M) for tag, (mean_M, _) in per_tag.items()},
        tag_rows={tag: count for tag, (_, count) in per_tag.items()},
        value=rows.value,
        embedder=embedder if embed else None,
        embedder_length=length,
        embeddings_QD=embed(rows.queries) if embed else None,
        value_QM=rows.value_QM if embed else None,
        seen_Q=text_hashes(rows.queries),
    )


def _means(rows: TrainingRows, groups: Sequence[Sequence[str]]) -> dict[str, tuple[np.ndarray, int]]:
    """Mean (M,) and count of the rows in each group, sorted by name; a row may be in several."""
    index: dict[str, list[int]] = {}
    for row, names in enumerate(groups):
        for name in names:
            index.setdefault(name, []).append(row)
    return {name: (rows.value_QM[index[name]].mean(axis=0), len(index[name])) for name in sorted(index)}


def named(experts: Sequence[str], value_M: np.ndarray) -> dict[str, float]:
    """Values (M,) by expert."""
    return dict(zip(experts, value_M.tolist(), strict=True))


def rows_of_outcomes(outcomes: Outcomes) -> TrainingRows:
    """Outcomes as training rows."""
    return TrainingRows(
        outcomes.experts, outcomes.queries, outcomes.sources, outcomes.tags, values(outcomes), value_name(outcomes)
    )


def rows_of_labels(labels: pa.Table, experts: Sequence[str]) -> TrainingRows:
    """The rows of the split `train` in a table of schemas.LABELS."""
    value = "metric" if labels["metrics"].null_count == 0 else "reward"  # of all rows, as the report goes by
    learned = labels.filter(pa.compute.equal(labels["split"], "train"))
    value_QM = np.array(learned[f"{value}s"].to_pylist(), dtype=np.float64)
    queries, sources, tags = (learned[name].to_pylist() for name in ("query", "source", "tags"))
    return TrainingRows(list(experts), queries, sources, tags, value_QM, value)
