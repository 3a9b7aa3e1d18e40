"""The report's plots: one function each, from a report to a matplotlib figure."""

import io
from collections.abc import Callable
from textwrap import fill
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zooter_ray.evaluation.schema import Entropy, EntropyCurve, MethodResult, Report

SHOWN_TAGS = 24
WIDTH = 6.2  # inches; narrow, so that text stays legible when a phone scales the figure down
ZOOTER, ORACLE, QUIET = "#0b6e4f", "#8a8f98", "#b8bcc4"
EXPERTS = ("#0072b2", "#d55e00", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#6b8e23", "#a0522d", "#4b0082", "#008b8b")
STYLE: dict[str, dict[str, Any]] = {
    "router": {"marker": "D", "color": ZOOTER, "s": 62, "zorder": 5},
    "oracle": {"marker": "*", "color": ORACLE, "s": 90, "zorder": 4},
    "random": {"marker": "x", "color": "#444444", "s": 36, "zorder": 3},
    "baseline": {"marker": "s", "facecolor": "white", "edgecolor": "#444444", "s": 34, "zorder": 3},
    "reward_ranking": {"marker": "^", "facecolor": "white", "edgecolor": "#444444", "s": 44, "zorder": 3},
    "other_router": {"marker": "D", "facecolor": "white", "edgecolor": ZOOTER, "s": 40, "zorder": 4},
}


def expert_colour(report: Report, expert: str) -> str:
    """The colour of an expert, the same in every plot."""
    return EXPERTS[list(report.experts).index(expert) % len(EXPERTS)]


def style_of(report: Report, method: MethodResult) -> dict[str, Any]:
    """Marker and colour of a method."""
    if method.kind == "expert":
        return {"marker": "o", "color": expert_colour(report, method.method), "s": 44, "zorder": 3}
    return STYLE[method.kind]


def _figure(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)
    return figure, axes


def _legend_below(figure: Figure, columns: int = 3) -> None:
    figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=9, handletextpad=0.4)


def metric_per_source(report: Report) -> Figure:
    """A row per source, a mark per method."""
    columns = [*report.sources, "mean"]  # a source may be called mean as well
    figure, axes = _figure(1.5 + 0.38 * len(columns))
    shown = [method for method in report.methods if method.kind in ("random", "expert", "router", "oracle")]
    shown += [method for method in report.methods if method.kind == "other_router"]
    for method in shown:
        values = [*(method.per_source[source] for source in report.sources), method.mean]
        axes.scatter(values, range(len(columns)), label=method.shown, **style_of(report, method))
    axes.set_yticks(range(len(columns)), columns)
    axes.axhline(len(columns) - 1.5, color="#dddddd", linewidth=1)
    axes.invert_yaxis()
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    axes.set_xlabel(report.value)
    _legend_below(figure)
    return figure


def router_share(report: Report) -> Figure:
    """Which share of each source's queries goes to which expert; beside it, how often each expert is the best."""
    rows = [
        ("all queries", report.router_share),
        *report.router_share_per_source.items(),
        ("best expert\n(ties shared)", report.oracle_share),
    ]
    figure, axes = _figure(1.4 + 0.38 * len(rows))
    left = np.zeros(len(rows))
    for expert, shown in report.experts.items():
        width = np.array([share[expert] for _, share in rows])
        bars = axes.barh(range(len(rows)), width, left=left, color=expert_colour(report, expert), label=shown)
        labels = [f"{value:.0%}" if value >= 0.08 else "" for value in width]
        axes.bar_label(bars, labels, label_type="center", color="white", fontsize=8)
        left += width
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("share of the queries")
    _legend_below(figure, 2)
    return figure


def expertise(report: Report) -> Figure:
    """Heat map: what each expert earned on the training queries of a tag. Colours compare within a tag."""
    found = report.expertise
    assert found is not None, "asked for only where training rows have tags"
    means_TM = np.array(found.means)
    relative_TM = means_TM - means_TM.mean(axis=1, keepdims=True)
    limit = max(float(np.abs(relative_TM).max()), 1e-9)
    figure, axes = _figure(1.2 + 0.3 * len(found.tags))
    image = axes.imshow(relative_TM, cmap="BrBG", vmin=-limit, vmax=limit, aspect="auto")
    for row, column in np.ndindex(*means_TM.shape):
        dark = abs(relative_TM[row, column]) > 0.6 * limit
        colour = "white" if dark else "#222222"
        axes.text(column, row, f"{means_TM[row, column]:.2f}", ha="center", va="center", fontsize=8, color=colour)
    axes.set_yticks(range(len(found.tags)), [f"{t} ({n})" for t, n in zip(found.tags, found.rows, strict=True)])
    few = len(report.experts) <= 4
    labels = [fill(shown, 16, break_on_hyphens=False) for shown in report.experts.values()]
    axes.set_xticks(range(len(labels)), labels, fontsize=8, rotation=0 if few else 40, ha="center" if few else "right")
    figure.colorbar(image, ax=axes, label=f"{found.value} above the tag's mean", shrink=0.7)
    return figure


def calibration(report: Report) -> Figure:
    """Reliability diagram of the chosen experts."""
    figure, axes = _figure(3.6)
    bins = report.calibration.bins
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle="--", linewidth=1, label="as it says")
    predicted, observed = [item.predicted for item in bins], [item.observed for item in bins]
    axes.plot(predicted, observed, color=ZOOTER, linewidth=1.2)
    axes.scatter(predicted, observed, s=60, color=ZOOTER, alpha=0.8, label="zooter, in bins of like many queries")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("the router's probability that the chosen expert is the best")
    axes.set_ylabel("how often it was")
    rows = sum(item.rows for item in bins)
    title = (
        f"expected calibration error {report.calibration.expected_error:.3f} ({rows} queries on which experts differ)"
    )
    axes.set_title(title, fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def quality_against_cost(report: Report) -> Figure:
    """Mean against cost, with the Pareto front of what can be had."""
    figure, axes = _figure(4.6)
    priced = [(method, method.cost) for method in report.methods if method.cost is not None]
    for method, cost in priced:
        axes.scatter(cost, method.mean, label=method.shown, **style_of(report, method))
    front = sorted((cost, method.mean) for method, cost in priced if method.pareto)
    if front:
        axes.plot(*zip(*front, strict=True), color=ZOOTER, linewidth=1, linestyle=":", zorder=1, label="Pareto front")
    axes.set_xlabel("cost per query (of a run: generated tokens)")
    axes.set_ylabel(f"mean {report.value} over the sources")
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    _legend_below(figure, 2)
    return figure


def entropy_against_quality(report: Report) -> Figure:
    """How unsure the reward model is of a query against the quality of the response that it prefers."""
    figure, axes = _figure(3.6)
    draw_values(axes, report.entropy, ZOOTER)
    axes.set_xlabel(f"entropy of the rewards, as a share of log M\n({whose(report.entropy)})")
    axes.set_ylabel(f"{report.value} of the preferred response")
    axes.legend(frameon=False, fontsize=9)
    return figure


def draw_values(axes: Axes, curve: EntropyCurve, colour: str) -> None:
    """A point per query, jittered since values are often the same, and the means."""
    spread = max(np.ptp([value for _, value in curve.points]), 1e-9)
    points = np.array(curve.points) + np.random.default_rng(0).normal(0, 0.006, (len(curve.points), 2)) * [1, spread]
    axes.scatter(points[:, 0], points[:, 1], s=10, color=ORACLE, alpha=0.4, linewidths=0, label="a query")
    means = [(item.entropy, item.value) for item in curve.bins]
    axes.plot(*zip(*means, strict=True), color=colour, marker="o", markersize=4, label="mean")
    axes.set_xlim(-0.05, 1.06)


def whose(found: Entropy) -> str:
    """Whose rewards an entropy is of, and at which temperature."""
    scale = ", standardised" if found.standardised else ""
    return f"{found.reward_model}, T = {found.temperature:g}{scale}"


def entropy_per_tag(report: Report) -> Figure:
    """How unsure the distilled rewards are on the training queries of each tag, the most frequent tags."""
    assert report.supervision is not None, "asked for only where a run made the report"
    tags = report.supervision.tags[:SHOWN_TAGS]
    figure, axes = _figure(1.2 + 0.3 * len(tags))
    axes.barh(range(len(tags)), [tag.entropy for tag in tags], color=QUIET)
    axes.axvline(report.supervision.entropy or 0.0, color=ZOOTER, linewidth=1.2, label="all training queries")
    axes.set_yticks(range(len(tags)), [f"{tag.tag} ({tag.rows})" for tag in tags])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"mean entropy of the rewards (T = {report.entropy.temperature:g}), as a share of log M")
    _legend_below(figure)
    return figure


PLOTS: dict[str, tuple[Callable[[Report], Figure], str]] = {
    "metric_per_source": (metric_per_source, "What each method earns, per source"),
    "router_share": (router_share, "Where the router sends queries"),
    "quality_against_cost": (quality_against_cost, "Quality against cost"),
    "expertise": (expertise, "Who is good at what, on training queries"),
    "calibration": (calibration, "Do the router's probabilities mean what they say?"),
    "entropy_against_quality": (entropy_against_quality, "Does it matter how sure the reward model is?"),
    "entropy_per_tag": (entropy_per_tag, "How sure the rewards are, per tag of the training queries"),
}


def plots_of(report: Report) -> dict[str, Figure]:
    """The plots that this report has the data for."""
    missing = set() if report.expertise else {"expertise"}
    if not report.calibration.bins:
        missing.add("calibration")
    if report.supervision is None or not report.supervision.tags:
        missing.add("entropy_per_tag")
    if all(method.cost is None for method in report.methods):
        missing.add("quality_against_cost")
    with matplotlib.rc_context({"text.parse_math": False}):  # tags are other people's text, `$` and all
        return {name: draw(report) for name, (draw, _) in PLOTS.items() if name not in missing}


def picture(figure: Figure, kind: str) -> bytes:
    """A figure as the content of a file: svg or png."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({"text.parse_math": False}):
        figure.savefig(buffer, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else {})
    return buffer.getvalue()
