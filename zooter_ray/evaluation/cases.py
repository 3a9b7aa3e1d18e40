"""Single queries to look at: Figure 1 of the paper, and where the router loses most to the oracle."""

from collections.abc import Mapping, Sequence

import numpy as np

from zooter_ray.evaluation.schema import Case, ExpertCase
from zooter_ray.hashing import hash_fraction
from zooter_ray.labels import has_preference
from zooter_ray.outcomes import Outcomes, values

Responses = Mapping[str, Mapping[str, str]]  # query id -> expert -> text


def make_case(
    outcomes: Outcomes, row: int, probabilities_M: np.ndarray, shown: Mapping[str, str], responses: Responses
) -> Case:
    """Everything that is known of one query."""
    value_M = values(outcomes)[row]
    query_id, zooter = outcomes.query_ids[row], int(probabilities_M.argmax())
    texts = responses.get(query_id, {})
    experts = [
        ExpertCase(
            expert=expert,
            shown=shown[expert],
            response=texts.get(expert),
            reward=float(outcomes.rewards_QM[row, index]),
            metric=None if outcomes.metrics_QM is None else float(outcomes.metrics_QM[row, index]),
            cost=None if outcomes.costs_QM is None else float(outcomes.costs_QM[row, index]),
            probability=float(probabilities_M[index]),
        )
        for index, expert in enumerate(outcomes.experts)
    ]
    return Case(
        query_id=query_id,
        query=outcomes.queries[row],
        source=outcomes.sources[row],
        tags=outcomes.tags[row],
        experts=experts,
        oracle=outcomes.experts[int(value_M.argmax())],
        zooter=outcomes.experts[zooter],
        loss=float(value_M.max() - value_M[zooter]),
    )


def browsed_rows(outcomes: Outcomes, count: int, seed: int) -> list[int]:
    """Up to `count` rows, evenly from the sources, those on which the experts differ first; sorted by source."""
    differs_Q = has_preference(values(outcomes))
    by_source: dict[str, list[int]] = {}
    for row in sorted(
        range(len(outcomes.query_ids)),
        key=lambda row: (not differs_Q[row], hash_fraction(seed, "case", outcomes.query_ids[row])),
    ):
        by_source.setdefault(outcomes.sources[row], []).append(row)
    turns = [(turn, source, row) for source, rows in by_source.items() for turn, row in enumerate(rows)]
    drawn = sorted(turns)[:count]
    return [row for _, _, row in sorted(drawn, key=lambda item: (item[1], item[0]))]


def lost_rows(outcomes: Outcomes, probabilities_QM: np.ndarray, count: int) -> list[int]:
    """Rows on which the router loses most to the oracle; of equal losses, those that it was surest of first."""
    value_QM = values(outcomes)
    rows = np.arange(len(value_QM))
    loss_Q = value_QM.max(axis=1) - value_QM[rows, probabilities_QM.argmax(axis=1)]
    order = sorted(np.flatnonzero(loss_Q > 0), key=lambda row: (-loss_Q[row], -probabilities_QM[row].max(), row))
    return [int(row) for row in order[:count]]


def make_cases(
    outcomes: Outcomes,
    rows: Sequence[int],
    probabilities_QM: np.ndarray,
    shown: Mapping[str, str],
    responses: Responses,
) -> list[Case]:
    """`make_case` of some rows."""
    return [make_case(outcomes, row, probabilities_QM[row], shown, responses) for row in rows]
