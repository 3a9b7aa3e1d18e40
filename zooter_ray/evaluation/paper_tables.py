"""The paper's Table 1, Table 2 and Figure 3 for one's own experts: what `zooter report` computes from reports."""

from collections import Counter
from collections.abc import Collection, Mapping

import numpy as np

from zooter_ray.errors import DataError
from zooter_ray.evaluation.metrics import Standing, standings
from zooter_ray.evaluation.report import group_results
from zooter_ray.evaluation.schema import Entropy, GroupResult, MethodResult, Part, Report

TABLES_VERSION = 2
# The order of Table 1. What the paper has no row for stands beside what it is most like.
KINDS = ("expert", "baseline", "random", "router", "other_router", "reward_ranking", "oracle", "reference")
ANSWER_ALL = ("reward_ranking", "oracle")  # every expert answers, one response is kept
UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "K"))

References = Mapping[str, Mapping[str, float]]  # name of a hosted model -> mean on each source


class Figures(Part):
    """What a method earns, and where it stands."""

    mean: float  # over the sources
    per_group: dict[str, GroupResult]  # empty where no source is called group/subset
    mean_task_rank: float
    uplift: float


class MethodRow(Figures):
    """A row of Table 1."""

    method: str  # as it is shown
    kind: str  # of schema.MethodResult, or reference
    ranker_parameters: int | None  # of the router without its embeddings, of a reward model as it was named
    inference: str | None  # 13B, 6x13B; how many experts answer where their sizes are not known


class RunRow(Figures):
    """A row of Table 2: the router of a run."""

    run: str
    loss: str
    beta: float | None  # None for hard labels, which know neither beta nor temperature
    used_beta: float | None  # other than beta where labeling.beta_rows makes it follow the training rows
    temperature: float | None


class PaperTables(Part):
    """Content of tables.json. Table 1 and Figure 3 are of the first run."""

    schema_version: int = TABLES_VERSION
    value: str  # metric | reward
    rows: int
    sources: dict[str, int]
    experts: dict[str, str]  # id -> how it is shown
    rank_against: str
    include_overall: bool
    table1: list[MethodRow]
    table2: list[RunRow]
    figure3: Entropy


def make_tables(
    reports: Mapping[str, Report],
    references: References,
    parameters: Mapping[str, float],
    rank_against: str | None = None,
    include_overall: bool | None = None,
) -> PaperTables:
    """Everything that is shown.

    Args:
        reports: by the name of the run; one or more.
        references: hosted models, ranked as an ensemble is; nothing is ranked against them.
        parameters: by expert and by reward model, where known.
        rank_against: whom methods are ranked against, `experts` or `all`; None: as the first report says.
        include_overall: whether the averages of groups are ranked as well; None: as the first report says.

    Raises:
        DataError: if the runs are not of the same experts and rows, or a reference has other sources.
    """
    check_comparable(reports)
    first = next(iter(reports.values()))
    check_references(references, first)
    against = rank_against or first.rank_against
    averages = first.include_overall if include_overall is None else include_overall
    return PaperTables(
        value=first.value,
        rows=first.rows,
        sources=first.sources,
        experts=first.experts,
        rank_against=against,
        include_overall=averages,
        table1=method_rows(first, references, parameters, against, averages),
        table2=run_rows(reports, against, averages),
        figure3=first.entropy,
    )


def check_comparable(reports: Mapping[str, Report]) -> None:
    """Refuse runs that are not of the same experts, evaluated on the same rows."""
    (name, first), *others = reports.items()
    for other_name, other in others:
        if set(other.experts) != set(first.experts):
            raise DataError(
                f"{name} and {other_name} cannot be compared: one routes to {', '.join(sorted(first.experts))}, "
                f"the other to {', '.join(sorted(other.experts))}"
            )
        if other.rows_fingerprint != first.rows_fingerprint:
            raise DataError(
                f"{name} and {other_name} cannot be compared: they were evaluated on different rows "
                f"({first.rows} and {other.rows}), or their experts earned something else on them"
            )


def check_references(references: References, report: Report) -> None:
    """Refuse a hosted model that lacks a source or has one too many."""
    for name, per_source in references.items():
        if missing := [source for source in report.sources if source not in per_source]:
            raise DataError(f"reference {name!r} has no value for source {missing[0]!r}; it needs one for every source")
        if unknown := [source for source in per_source if source not in report.sources]:
            sources = ", ".join(report.sources)
            raise DataError(f"reference {name!r} has a value for {unknown[0]!r}; the sources are {sources}")


def method_rows(
    report: Report, references: References, parameters: Mapping[str, float], against: str, averages: bool
) -> list[MethodRow]:
    """Table 1, in the paper's order: experts, the best one on average, zooter, reward rankings, oracle, references."""
    methods = sorted(report.methods, key=lambda method: KINDS.index(method.kind))
    means = [method.per_source for method in methods]
    hosted = [{source: per_source[source] for source in means[0]} for per_source in references.values()]
    is_rival_K = [method.kind == "expert" or against == "all" for method in methods]
    standing_K = standings([*means, *hosted], is_rival_K + [False] * len(hosted), averages)
    rows = [
        MethodRow(
            method=method.shown,
            kind=method.kind,
            ranker_parameters=ranker_parameters(report, method, parameters),
            inference=inference(report, method, parameters),
            **dict(figures(method.per_source, standing)),
        )
        for method, standing in zip(methods, standing_K, strict=False)
    ]
    found = zip(references, hosted, standing_K[len(methods) :], strict=True)
    return rows + [
        MethodRow(
            method=name, kind="reference", ranker_parameters=None, inference=None, **dict(figures(per_source, standing))
        )
        for name, per_source, standing in found
    ]


def figures(per_source: Mapping[str, float], standing: Standing) -> Figures:
    """A method's means beside its ranks."""
    return Figures(
        mean=float(np.mean(list(per_source.values()))),
        per_group=group_results(per_source, standing),
        mean_task_rank=standing.mean_task_rank,
        uplift=standing.uplift,
    )


def run_rows(reports: Mapping[str, Report], against: str, averages: bool) -> list[RunRow]:
    """Table 2: hard labels first, then by loss, beta and temperature."""
    in_all = set.intersection(*({method.method for method in report.methods} for report in reports.values()))
    rows = (run_row(name, report, against, averages, in_all) for name, report in reports.items())
    return sorted(rows, key=_sweep_order)


def run_row(name: str, report: Report, against: str, averages: bool, in_all: Collection[str]) -> RunRow:
    """The router of a report, ranked among its experts, or among the methods that are `in_all` reports."""
    means = [method.per_source for method in report.methods]
    is_rival_K = [
        method.kind == "expert" or (against == "all" and method.method in in_all) for method in report.methods
    ]
    standing_K = standings(means, is_rival_K, averages)
    ((method, standing),) = (
        (method, standing)
        for method, standing in zip(report.methods, standing_K, strict=True)
        if method.kind == "router"
    )
    soft = report.router.loss != "hard_label"
    return RunRow(
        run=name,
        loss=report.router.loss,
        beta=report.router.beta if soft else None,
        used_beta=report.router.used_beta if soft else None,
        temperature=report.router.temperature if soft else None,
        **dict(figures(method.per_source, standing)),
    )


def _sweep_order(row: RunRow) -> tuple[bool, str, float, float, str]:
    return row.loss != "hard_label", row.loss, row.beta or 0.0, row.temperature or 0.0, row.run


def ranker_parameters(report: Report, method: MethodResult, parameters: Mapping[str, float]) -> int | None:
    """Size of what chooses: the router, or a reward model if its size is known."""
    if method.kind == "router":
        return report.router.parameters
    known = method.kind == "reward_ranking" and reward_model_of(method) in parameters
    return round(parameters[reward_model_of(method)]) if known else None


def reward_model_of(method: MethodResult) -> str:
    """The reward model behind a method called `reward ranking: NAME`."""
    return method.method.partition(": ")[2]


def inference(report: Report, method: MethodResult, parameters: Mapping[str, float]) -> str:
    """What answers a query: `13B`, `6x13B`; how many experts where the size of one is not known."""
    expert = method.method if method.kind == "expert" else report.best_single if is_best_single(method) else None
    asked = list(report.experts) if expert is None else [expert]
    answers_all = method.kind in ANSWER_ALL
    if any(name not in parameters for name in asked):
        return str(len(asked) if answers_all else 1)
    sizes = [size(number) for number in sorted(parameters[name] for name in asked)]
    if answers_all:
        return " + ".join(f"{count}x{found}" for found, count in Counter(sizes).items())
    return sizes[0] if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"


def is_best_single(method: MethodResult) -> bool:
    """Whether a method is the paper's BMA; an expert may be called like it."""
    return method.kind == "baseline" and method.method == "best single"


def size(parameters: float) -> str:
    """A number of parameters as one says it: 13B, 1.7B, 86M."""
    unit, letter = next(((unit, letter) for unit, letter in UNITS if parameters >= unit), (1.0, ""))
    number = parameters / unit
    return f"{number:.0f}{letter}" if number >= 10 else f"{number:.1f}".removesuffix(".0") + letter


def reward_models(report: Report) -> list[str]:
    """Names of the reward models that a report ranks by."""
    return [reward_model_of(method) for method in report.methods if method.kind == "reward_ranking"]
