"""What a router is worth, computed: every figure of report.json."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from zooter_ray.config.evaluation import EvaluationConfig
from zooter_ray.evaluation.baselines import Method, best_single, compared_methods
from zooter_ray.evaluation.calibration import expected_calibration_error, reliability
from zooter_ray.evaluation.cases import Responses, make_cases
from zooter_ray.evaluation.entropy import binned_means, reward_entropy
from zooter_ray.evaluation.learned import Learned, named
from zooter_ray.evaluation.metrics import (
    UNGROUPED,
    Standing,
    gap_closed,
    grouped,
    mean_over_sources,
    paired_bootstrap,
    source_means,
    standings,
)
from zooter_ray.evaluation.schema import (
    Calibration,
    CalibrationBin,
    Difference,
    Entropy,
    EntropyCurve,
    EntropyPoint,
    Expertise,
    GroupResult,
    MethodResult,
    Report,
    RouterSettings,
    Supervision,
)
from zooter_ray.labels import has_preference, on_one_scale
from zooter_ray.outcomes import Outcomes, best_share, value_name, values

SHOWN_TAGS = 24
SHOWN_POINTS = 2000
FEW_ROWS = 10  # a source with fewer proves nothing


@dataclass(frozen=True)
class Evidence:
    """What a report is made from: held-out outcomes and what every method chose on them. Q rows, M experts."""

    outcomes: Outcomes
    probabilities_QM: np.ndarray  # the router's
    learned: Learned
    shown: Mapping[str, str]  # how expert ids are shown
    router: RouterSettings
    label_reward_model: str = "rewards"  # whose rewards the outcomes hold
    standardised: bool = False  # whether the labels' temperature is for rewards on one scale for all sources
    neighbours_Q: np.ndarray | None = None
    reward_models: Mapping[str, np.ndarray] = field(default_factory=dict)  # rewards (Q, M)
    other_routers: Mapping[str, np.ndarray] = field(default_factory=dict)  # choices (Q,)
    responses: Responses = field(default_factory=dict)
    browsed: Sequence[int] = ()  # rows of the cases
    lost: Sequence[int] = ()  # rows on which the router loses most
    supervision: Supervision | None = None
    seen: int = 0  # rows whose query is a training query as well


def build_report(evidence: Evidence, config: EvaluationConfig) -> Report:
    """Evaluate a router on held-out outcomes."""
    outcomes, probabilities_QM = evidence.outcomes, evidence.probabilities_QM
    methods = compared_methods(
        outcomes, probabilities_QM.argmax(axis=1), evidence.learned, evidence.neighbours_Q, evidence.reward_models,
        evidence.other_routers,
    )  # fmt: skip
    results = method_results(methods, evidence, config)
    mean = {result.method: result.mean for result in results if result.kind in ("router", "oracle", "baseline")}
    return Report(
        value=value_name(outcomes),
        router=evidence.router,
        rows=len(outcomes.query_ids),
        rows_fingerprint=rows_fingerprint(outcomes),
        seen_rows=evidence.seen,
        sources={source: outcomes.sources.count(source) for source in sorted(set(outcomes.sources))},
        experts=dict(evidence.shown),
        best_single=best_single(evidence.learned),
        methods=results,
        rank_against=config.rank_against,
        include_overall=config.include_overall,
        confidence=config.confidence,
        draws=config.draws,
        gap_closed=gap_closed(mean["zooter"], mean["best single"], mean["oracle"]),
        verdicts=verdicts(results, config.confidence, outcomes.sources),
        router_share=share(outcomes.experts, probabilities_QM.argmax(axis=1)),
        router_share_per_source=share_per_source(outcomes, probabilities_QM.argmax(axis=1)),
        oracle_share=named(outcomes.experts, best_share(values(outcomes)).mean(axis=0)),
        expertise=expertise(evidence.learned, outcomes.experts),
        calibration=calibration(probabilities_QM, values(outcomes)),
        entropy=entropy(evidence, methods),
        supervision=evidence.supervision,
        cases=make_cases(outcomes, evidence.browsed, probabilities_QM, evidence.shown, evidence.responses),
        losses=make_cases(outcomes, evidence.lost, probabilities_QM, evidence.shown, evidence.responses),
    )


def method_results(methods: Sequence[Method], evidence: Evidence, config: EvaluationConfig) -> list[MethodResult]:
    """Means, ranks, costs and intervals of every method."""
    sources = evidence.outcomes.sources
    per_source = [source_means(method.value_Q, sources) for method in methods]
    mean_K = np.array([mean_over_sources(method.value_Q, sources) for method in methods])
    is_rival_K = [method.kind == "expert" or config.rank_against == "all" for method in methods]
    standing_K = standings(per_source, is_rival_K, config.include_overall)
    (router,) = (method for method in methods if method.kind == "router")
    (single,) = (method for method in methods if method.name == "best single" and method.kind == "baseline")
    ahead = paired_bootstrap(
        np.array([router.value_Q - method.value_Q for method in methods]), sources, config.draws, config.confidence,
        config.seed,
    )  # fmt: skip
    costs = [None if method.cost_Q is None else mean_over_sources(method.cost_Q, sources) for method in methods]
    unit = None if single.cost_Q is None else mean_over_sources(single.cost_Q, sources)
    front = pareto_front(mean_K.tolist(), costs, [_can_be_had(method, methods[-1]) for method in methods])
    return [
        MethodResult(
            method=method.name,
            shown=evidence.shown[method.name] if method.kind == "expert" else method.name,
            kind=method.kind,
            mean=float(mean_K[index]),
            per_source=per_source[index],
            per_group=group_results(per_source[index], standing_K[index]),
            mean_task_rank=standing_K[index].mean_task_rank,
            uplift=standing_K[index].uplift,
            cost=(cost := costs[index]),
            relative_cost=cost / unit if cost is not None and unit else None,
            pareto=front[index],
            zooter_ahead=None if method is router else Difference(**asdict(ahead[index])),
        )
        for index, method in enumerate(methods)
    ]


def group_results(per_source: Mapping[str, float], standing: Standing) -> dict[str, GroupResult]:
    """Mean and MTR of a method on each group of sources; empty if there are no groups."""
    groups = grouped(per_source)
    if set(groups) == {UNGROUPED}:
        return {}
    return {
        group: GroupResult(
            mean=float(np.mean([per_source[source] for source in members])), mean_task_rank=standing.per_group[group]
        )
        for group, members in groups.items()
    }


def rows_fingerprint(outcomes: Outcomes) -> str:
    """Identifies the rows and what every expert earns on them, whatever the order of rows and experts."""
    ordered = outcomes.in_order(sorted(outcomes.experts))
    rows = zip(ordered.query_ids, ordered.sources, values(ordered).tolist(), strict=True)
    content = json.dumps([ordered.experts, sorted(rows)])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _can_be_had(method: Method, oracle: Method) -> bool:
    """Whether users can have a method: not the oracle, nor a ranking by the very grades that it is measured by."""
    is_oracle = method.kind == "reward_ranking" and np.array_equal(method.value_Q, oracle.value_Q)
    return method.kind != "oracle" and not is_oracle


def pareto_front(mean_K: Sequence[float], costs: Sequence[float | None], possible: Sequence[bool]) -> list[bool]:
    """Which methods nothing possible beats: as good and cheaper, or better and no dearer. None are without costs."""
    points = [
        (mean, cost) if can_be_had and cost is not None else None
        for mean, cost, can_be_had in zip(mean_K, costs, possible, strict=True)
    ]
    rivals = [point for point in points if point is not None]
    return [point is not None and not any(_beats(rival, point) for rival in rivals) for point in points]


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and one[0] >= other[0] and one[1] <= other[1]


def share(experts: Sequence[str], chosen_Q: np.ndarray) -> dict[str, float]:
    """Share of the choices that fall on each expert."""
    return named(experts, np.bincount(chosen_Q, minlength=len(experts)) / len(chosen_Q))


def share_per_source(outcomes: Outcomes, chosen_Q: np.ndarray) -> dict[str, dict[str, float]]:
    """`share` of the rows of each source."""
    labels = np.array(outcomes.sources)
    return {name: share(outcomes.experts, chosen_Q[labels == name]) for name in sorted(set(outcomes.sources))}


def expertise(learned: Learned, experts: Sequence[str]) -> Expertise | None:
    """Training means of the experts on the tags with most rows; None if the training rows have no tags."""
    tags = sorted(learned.tag_rows, key=lambda tag: (-learned.tag_rows[tag], tag))[:SHOWN_TAGS]
    if not tags:
        return None
    means = [[learned.per_tag[tag][expert] for expert in experts] for tag in tags]
    return Expertise(tags=tags, rows=[learned.tag_rows[tag] for tag in tags], means=means, value=learned.value)


def calibration(probabilities_QM: np.ndarray, value_QM: np.ndarray) -> Calibration:
    """Reliability of the chosen experts' probabilities."""
    bins = reliability(probabilities_QM, value_QM)
    return Calibration(
        expected_error=expected_calibration_error(bins), bins=[CalibrationBin(**asdict(found)) for found in bins]
    )


def entropy(evidence: Evidence, methods: Sequence[Method]) -> Entropy:
    """Reward entropy of every row against what its highest reward is worth, over all rows and in each group."""
    outcomes, temperature = evidence.outcomes, evidence.router.temperature
    rewards_QM = outcomes.rewards_QM
    scaled_QM = on_one_scale(outcomes, has_preference(rewards_QM)) if evidence.standardised else rewards_QM
    entropy_Q = reward_entropy(scaled_QM, temperature)
    preferred_Q = values(outcomes)[np.arange(len(rewards_QM)), rewards_QM.argmax(axis=1)]
    (router,) = (method for method in methods if method.kind == "router")
    (single,) = (method for method in methods if method.name == "best single" and method.kind == "baseline")
    value_KQ = np.array([preferred_Q, router.value_Q, single.value_Q])
    groups = grouped(sorted(set(outcomes.sources)))
    members = {} if set(groups) == {UNGROUPED} else groups
    masks = {group: np.isin(outcomes.sources, sources) for group, sources in members.items()}
    return Entropy(
        reward_model=evidence.label_reward_model,
        temperature=temperature,
        standardised=evidence.standardised,
        per_group={group: entropy_curve(entropy_Q[rows], value_KQ[:, rows]) for group, rows in masks.items()},
        **dict(entropy_curve(entropy_Q, value_KQ)),
    )


def entropy_curve(entropy_Q: np.ndarray, value_KQ: np.ndarray) -> EntropyCurve:
    """Points and means of some rows; values (3, Q) of the preferred response, zooter's and the best single expert's."""
    points = list(zip(entropy_Q.tolist(), value_KQ[0].tolist(), strict=True))
    return EntropyCurve(
        points=points[:: -(-len(points) // SHOWN_POINTS)],
        bins=[
            EntropyPoint(entropy=x, value=preferred, zooter=zooter, best_single=single, rows=rows)
            for x, (preferred, zooter, single), rows in binned_means(entropy_Q, value_KQ)
        ],
    )


def verdicts(results: Sequence[MethodResult], confidence: float, sources: Sequence[str]) -> dict[str, str]:
    """A plain sentence about zooter against a random choice, and one against each baseline."""
    compared = [result for result in results if result.kind in ("random", "baseline", "other_router")]
    source, rows = min(Counter(sources).items(), key=lambda item: (item[1], item[0]))
    too_few = f"{source} has only {rows} row{'s' if rows > 1 else ''}" if rows < FEW_ROWS else None
    return {result.method: _verdict(result, confidence, too_few) for result in compared}


def _verdict(other: MethodResult, confidence: float, too_few: str | None) -> str:
    """What the interval proves. Draws from a handful of rows say little of what other rows would show."""
    names = {"random": "a random choice", "best single": "the best single expert"}
    name = names.get(other.method, other.method)
    found = other.zooter_ahead
    assert found is not None, "only zooter itself has none"
    numbers = f"({found.difference:+.3f}, {confidence:.0%} interval {found.low:+.3f} to {found.high:+.3f})"
    if too_few is None and found.low > 0:
        return f"zooter beats {name} {numbers}."
    if too_few is None and found.high < 0:
        return f"zooter loses to {name} {numbers}."
    side = "ahead of" if found.difference > 0 else "behind" if found.difference < 0 else "level with"
    because = f": {too_few}" if too_few else ""
    return f"zooter is {side} {name}, but these rows do not prove a difference {numbers}{because}."
