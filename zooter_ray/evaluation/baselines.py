"""What a router is compared with. Every method becomes arrays over the same rows: its value and its cost.

Q rows, M experts. A method that chooses gives an index per row; random gives the mean over the experts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zooter_ray.evaluation.learned import Learned
from zooter_ray.outcomes import Outcomes, values


@dataclass(frozen=True)
class Method:
    """A way to choose an expert, and what it earned on every row."""

    name: str
    kind: str  # random | expert | baseline | reward_ranking | other_router | router | oracle
    value_Q: np.ndarray
    cost_Q: np.ndarray | None
    chosen_Q: np.ndarray | None  # indices of experts; None for random
    expert: str | None = None  # of a method that always takes the same


def compared_methods(
    outcomes: Outcomes,
    chosen_Q: np.ndarray,
    learned: Learned,
    neighbours_Q: np.ndarray | None = None,
    reward_models: Mapping[str, np.ndarray] | None = None,
    other_routers: Mapping[str, np.ndarray] | None = None,
) -> list[Method]:
    """Every method, in the order in which they are shown.

    Args:
        outcomes: the rows to evaluate on.
        chosen_Q: the router's choice (Q,), as indices of `outcomes.experts`.
        learned: what the baselines know of the training rows.
        neighbours_Q: choice of the nearest-neighbour baseline, if there are embeddings.
        reward_models: rewards (Q, M) by reward model, for reward model ranking.
        other_routers: choices (Q,) of other routers by name.
    """
    best = best_single(learned)
    chosen = {
        "best per source": best_per_source(outcomes, learned),
        "best per tag": best_per_tag(outcomes, learned),
        "nearest neighbours": neighbours_Q,
    }
    return [
        Method("random", "random", values(outcomes).mean(axis=1), _mean_cost(outcomes), None),
        *(_constant(outcomes, expert, "expert", expert) for expert in outcomes.experts),
        _constant(outcomes, "best single", "baseline", best),
        *(_choice(outcomes, name, "baseline", index_Q) for name, index_Q in chosen.items() if index_Q is not None),
        *(
            _reward_ranking(outcomes, f"reward ranking: {name}", rewards_QM)
            for name, rewards_QM in (reward_models or {}).items()
        ),
        *(_choice(outcomes, name, "other_router", index_Q) for name, index_Q in (other_routers or {}).items()),
        _choice(outcomes, "zooter", "router", chosen_Q),
        _choice(outcomes, "oracle", "oracle", values(outcomes).argmax(axis=1)),
    ]


def _mean_cost(outcomes: Outcomes) -> np.ndarray | None:
    return None if outcomes.costs_QM is None else outcomes.costs_QM.mean(axis=1)


def _choice(outcomes: Outcomes, name: str, kind: str, chosen_Q: np.ndarray, expert: str | None = None) -> Method:
    rows = np.arange(len(chosen_Q))
    cost_Q = None if outcomes.costs_QM is None else outcomes.costs_QM[rows, chosen_Q]
    return Method(name, kind, values(outcomes)[rows, chosen_Q], cost_Q, chosen_Q, expert)


def _constant(outcomes: Outcomes, name: str, kind: str, expert: str) -> Method:
    chosen_Q = np.full(len(outcomes.query_ids), outcomes.experts.index(expert))
    return _choice(outcomes, name, kind, chosen_Q, expert)


def _reward_ranking(outcomes: Outcomes, name: str, rewards_QM: np.ndarray) -> Method:
    """Every expert answers, the reward model's favourite is kept: what is paid is what all of them generate."""
    ranked = _choice(outcomes, name, "reward_ranking", rewards_QM.argmax(axis=1))
    cost_Q = None if outcomes.costs_QM is None else outcomes.costs_QM.sum(axis=1)
    return Method(ranked.name, ranked.kind, ranked.value_Q, cost_Q, ranked.chosen_Q)


def best_single(learned: Learned) -> str:
    """The expert with the best mean over the training rows; the first in pool order if several have it."""
    return max(learned.overall, key=lambda expert: learned.overall[expert])


def best_per_source(outcomes: Outcomes, learned: Learned) -> np.ndarray | None:
    """The expert (Q,) with the best training mean on the row's source; the best single one for unknown sources.

    None where no source is known: it would be the best single expert once more.
    """
    return _best_of(outcomes.experts, [[source] for source in outcomes.sources], learned.per_source, learned)


def best_per_tag(outcomes: Outcomes, learned: Learned) -> np.ndarray | None:
    """The expert (Q,) with the best mean over the row's tags of their training means; the best single without tags.

    None where no tag of any row is known.
    """
    return _best_of(outcomes.experts, outcomes.tags, learned.per_tag, learned)


def _best_of(
    experts: Sequence[str],
    groups: Sequence[Sequence[str]],
    means: Mapping[str, Mapping[str, float]],
    learned: Learned,
) -> np.ndarray | None:
    known_Q = [[means[name] for name in names if name in means] for names in groups]
    if not any(known_Q):
        return None
    chosen = [
        int(np.argmax([np.mean([mean[expert] for mean in known or [learned.overall]]) for expert in experts]))
        for known in known_Q
    ]
    return np.array(chosen, dtype=np.int64)
