"""What a router is compared with. Every method becomes two arrays over the same rows: its value and its cost.

Q rows, M experts. A method that chooses gives an index per row; random gives the mean over the experts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from zooter_ray.outcomes import Outcomes


@dataclass(frozen=True)
class Method:
    """A way to choose an expert, and what it earned on every row."""

    name: str
    kind: str  # random | expert | baseline | router | oracle
    value_Q: np.ndarray
    cost_Q: np.ndarray | None
    expert: str | None = None


def values(outcomes: Outcomes) -> np.ndarray:
    """What is earned (Q, M): the metrics, or the rewards where the outcomes have no metrics."""
    return outcomes.rewards_QM if outcomes.metrics_QM is None else outcomes.metrics_QM


def compared_methods(outcomes: Outcomes, chosen_Q: np.ndarray, means: Mapping[str, Any]) -> list[Method]:
    """Random, each expert, the best single expert of the training rows, zooter and the oracle.

    Args:
        outcomes: the rows to evaluate on.
        chosen_Q: the router's choice (Q,), as indices of `outcomes.experts`.
        means: `expert_means` of the training rows.
    """
    value_QM = values(outcomes)
    best = best_single(means)
    single = [_constant(outcomes, expert, "expert", expert) for expert in outcomes.experts]
    return [
        Method("random", "random", value_QM.mean(axis=1), _mean_cost(outcomes)),
        *single,
        _constant(outcomes, "best single", "baseline", best),
        _choice(outcomes, "zooter", "router", chosen_Q),
        _choice(outcomes, "oracle", "oracle", value_QM.argmax(axis=1)),
    ]


def _mean_cost(outcomes: Outcomes) -> np.ndarray | None:
    return None if outcomes.costs_QM is None else outcomes.costs_QM.mean(axis=1)


def _choice(outcomes: Outcomes, name: str, kind: str, chosen_Q: np.ndarray, expert: str | None = None) -> Method:
    rows = np.arange(len(chosen_Q))
    cost_Q = None if outcomes.costs_QM is None else outcomes.costs_QM[rows, chosen_Q]
    return Method(name, kind, values(outcomes)[rows, chosen_Q], cost_Q, expert)


def _constant(outcomes: Outcomes, name: str, kind: str, expert: str) -> Method:
    chosen_Q = np.full(len(outcomes.query_ids), outcomes.experts.index(expert))
    return _choice(outcomes, name, kind, chosen_Q, expert)


def best_single(means: Mapping[str, Any]) -> str:
    """The expert with the best mean over the training rows; the first in pool order if several have it."""
    overall: Mapping[str, float] = means["overall"]
    return max(overall, key=lambda expert: overall[expert])


def means_of(experts: Sequence[str], sources: Sequence[str], value_QM: np.ndarray) -> dict[str, Any]:
    """Mean of each expert, per source and overall (the mean over the sources)."""
    labels = np.array(sources)
    per_source = {
        source: dict(zip(experts, value_QM[labels == source].mean(axis=0).tolist(), strict=True))
        for source in sorted(set(sources))
    }
    overall = {expert: float(np.mean([means[expert] for means in per_source.values()])) for expert in experts}
    return {"overall": overall, "per_source": per_source}


def expert_means(labels: pa.Table, experts: Sequence[str]) -> dict[str, Any]:
    """`means_of` over the training rows of a table of schemas.LABELS."""
    learned = labels.filter(pa.compute.equal(labels["split"], "train"))
    column = "metrics" if learned["metrics"].null_count == 0 else "rewards"
    return means_of(experts, learned["source"].to_pylist(), np.array(learned[column].to_pylist()))


def outcomes_means(outcomes: Outcomes) -> dict[str, Any]:
    """`means_of` over outcomes."""
    return means_of(outcomes.experts, outcomes.sources, values(outcomes))
