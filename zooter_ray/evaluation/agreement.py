"""What reward models say of the training rows: how far two of them agree, and how sure the distilled rewards are.

All figures are sums over rows that can be added up, so that a distributed stage maps `supervision_sums` and reduces
with `add_sums`. Q queries, M experts, P pairs of experts.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np
import pyarrow as pa

from zooter_ray.evaluation.entropy import reward_entropy
from zooter_ray.evaluation.schema import Agreement, Supervision, TagEntropy
from zooter_ray.labels import has_preference

SUMS = pa.schema(
    [
        pa.field("figure", pa.string()),
        pa.field("first", pa.string()),  # a reward model, or a tag
        pa.field("second", pa.string()),  # a reward model
        pa.field("total", pa.float64()),
    ]
)


def rank_correlation(first_QM: np.ndarray, second_QM: np.ndarray) -> np.ndarray:
    """Kendall's tau-b (Q,) of two reward models' rankings of the experts, for rows on which both prefer.

    tau-b = sum over pairs of experts of sign x sign / root of (pairs untied in one x pairs untied in the other).
    """
    first_QP, second_QP = _signs(first_QM), _signs(second_QM)
    untied_Q = np.abs(first_QP).sum(axis=1) * np.abs(second_QP).sum(axis=1)
    tau_Q: np.ndarray = (first_QP * second_QP).sum(axis=1) / np.sqrt(untied_Q)
    return tau_Q


def _signs(rewards_QM: np.ndarray) -> np.ndarray:
    left, right = np.triu_indices(rewards_QM.shape[1], k=1)
    signs_QP: np.ndarray = np.sign(rewards_QM[:, left] - rewards_QM[:, right])
    return signs_QP


def is_best(rewards_QM: np.ndarray) -> np.ndarray:
    """Which experts have a row's highest reward, (Q, M)."""
    best_QM: np.ndarray = rewards_QM == rewards_QM.max(axis=1, keepdims=True)
    return best_QM


def chance_of_same_best(first_QM: np.ndarray, second_QM: np.ndarray) -> np.ndarray:
    """Chance (Q,) that sets of best experts of these sizes meet if they were drawn at random."""
    experts = first_QM.shape[1]
    sizes = zip(is_best(first_QM).sum(axis=1).tolist(), is_best(second_QM).sum(axis=1).tolist(), strict=True)
    return np.array([1 - comb(experts - a, b) / comb(experts, b) for a, b in sizes])


def supervision_sums(
    rewards: Mapping[str, np.ndarray], distilled_QM: np.ndarray, tags: Sequence[Sequence[str]], temperature: float
) -> pa.Table:
    """Rows of SUMS over some training rows: agreement of each two reward models, entropy of the distilled rewards.

    Args:
        rewards: rewards (Q, M) of each reward model, NaN where there is none.
        distilled_QM: the rewards that are distilled, none missing.
        tags: of each row.
        temperature: T of the soft labels.
    """
    rows: list[dict[str, object]] = []
    for first, second in combinations(rewards, 2):
        for figure, total in _agreement(rewards[first], rewards[second]).items():
            rows.append({"figure": figure, "first": first, "second": second, "total": total})
    entropy_Q = reward_entropy(distilled_QM, temperature)
    per_tag: dict[str, list[float]] = {}
    for entropy, row_tags in zip(entropy_Q.tolist(), tags, strict=True):
        for tag in ["", *row_tags]:  # the empty one stands for all rows
            per_tag.setdefault(tag, []).append(entropy)
    for tag, found in per_tag.items():
        rows.append({"figure": "entropy", "first": tag, "total": sum(found)})
        rows.append({"figure": "rows", "first": tag, "total": len(found)})
    undecided = len(distilled_QM) - int(has_preference(distilled_QM).sum())
    rows.append({"figure": "undecided", "first": "", "total": undecided})
    return pa.Table.from_pylist(rows, SUMS)


def _agreement(first_QM: np.ndarray, second_QM: np.ndarray) -> dict[str, float]:
    whole_Q = np.isfinite(first_QM).all(axis=1) & np.isfinite(second_QM).all(axis=1)
    prefers_Q = whole_Q & has_preference(first_QM) & has_preference(second_QM)
    first_QM, second_QM = first_QM[prefers_Q], second_QM[prefers_Q]
    return {
        "queries": len(first_QM),
        "same_best": int((is_best(first_QM) & is_best(second_QM)).any(axis=1).sum()),
        "by_chance": float(chance_of_same_best(first_QM, second_QM).sum()),
        "rank_correlation": float(rank_correlation(first_QM, second_QM).sum()),
    }


def add_sums(tables: Iterable[pa.Table]) -> Supervision:
    """The figures of all rows."""
    whole = pa.concat_tables([SUMS.empty_table(), *(table.cast(SUMS) for table in tables if table.num_rows)])
    whole = whole.sort_by([(name, "ascending") for name in SUMS.names])  # sums in one order, whichever block came first
    added = whole.group_by(["figure", "first", "second"]).aggregate([("total", "sum")]).to_pylist()
    totals = {(row["figure"], row["first"], row["second"]): row["total_sum"] for row in added}
    pairs = sorted((first, second) for figure, first, second in totals if figure == "queries")
    rows = {tag: int(total) for (figure, tag, _), total in totals.items() if figure == "rows"}
    tags = sorted(filter(None, rows), key=lambda tag: (-rows[tag], tag))
    every = rows.get("", 0)
    return Supervision(
        rows=every,
        undecided=int(totals.get(("undecided", "", None), 0)),
        entropy=totals[("entropy", "", None)] / every if every else None,
        tags=[TagEntropy(tag=tag, rows=rows[tag], entropy=totals[("entropy", tag, None)] / rows[tag]) for tag in tags],
        agreement=[_mean_agreement(first, second, totals) for first, second in pairs],
    )


def _mean_agreement(first: str, second: str, totals: Mapping[tuple[str, str, str | None], float]) -> Agreement:
    queries = int(totals[("queries", first, second)])
    mean = {
        figure: totals[(figure, first, second)] / queries if queries else None
        for figure in ("same_best", "by_chance", "rank_correlation")
    }
    return Agreement(first=first, second=second, queries=queries, **mean)
