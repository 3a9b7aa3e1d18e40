"""Figure 3 of the paper: reward entropy against what the preferred response is worth, and what choosing gains."""

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zooter_ray.evaluation.rendering.plots import QUIET, WIDTH, ZOOTER, draw_values, whose
from zooter_ray.evaluation.rendering.tables import Table
from zooter_ray.evaluation.schema import Entropy, EntropyCurve

RANKING = "#0072b2"


def entropy_against_gain(found: Entropy, value: str) -> Figure:
    """A line of two plots per group: the preferred response's value, and the gain over the best single expert."""
    curves = curves_of(found)
    figure = Figure(figsize=(WIDTH, 0.9 + 2.1 * len(curves)), layout="constrained")
    with matplotlib.rc_context({"text.parse_math": False}):
        plots = figure.subplots(len(curves), 2, sharex=True, squeeze=False)
        for (left, right), (group, curve) in zip(plots, curves.items(), strict=True):
            draw_values(left, curve, RANKING)
            _tidy(left)
            _draw_gains(right, curve)
            left.set_ylabel(f"{group}\n{value}" if group else value)
        plots[0][0].set_title("the preferred response", fontsize=10, loc="left")
        plots[0][1].set_title("gain over the best single expert", fontsize=10, loc="left")
        for axes in plots[-1]:
            axes.set_xlabel(f"reward entropy, as a share of log M\n({whose(found)})", fontsize=9)
    handles = [handle for axes in plots[0] for handle in axes.get_legend_handles_labels()[0]]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9, handletextpad=0.4)
    return figure


def curves_of(found: Entropy) -> dict[str, EntropyCurve]:
    """The curve of each group, since groups have scales of their own; that of all rows where there are no groups."""
    return {group or "(no group)": curve for group, curve in found.per_group.items()} or {"": found}


def _draw_gains(axes: Axes, curve: EntropyCurve) -> None:
    """What reward ranking and zooter earn more than the best single expert; large marks for many rows."""
    entropy = [item.entropy for item in curve.bins]
    sizes = [12 + 70 * item.rows / max(item.rows for item in curve.bins) for item in curve.bins]
    gains = {
        "reward ranking": (RANKING, "o", [item.value - item.best_single for item in curve.bins]),
        "zooter": (ZOOTER, "D", [item.zooter - item.best_single for item in curve.bins]),
    }
    axes.axhline(0, color=QUIET, linestyle="--", linewidth=1)
    for label, (colour, marker, gain) in gains.items():
        axes.plot(entropy, gain, color=colour, linewidth=1.2)
        axes.scatter(entropy, gain, s=sizes, color=colour, marker=marker, alpha=0.8, label=f"{label} (size: queries)")
    _tidy(axes)


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0, labelsize=9)


def entropy_table(found: Entropy) -> Table:
    """The numbers of the figure: the points, and the means that they lie around."""
    header = ["group", "point", "entropy", "value", "zooter", "best_single", "rows"]
    rows: list[list[object]] = []
    for group, curve in curves_of(found).items():
        rows += [[group, "query", entropy, value, None, None, 1] for entropy, value in curve.points]
        rows += [[group, "mean", b.entropy, b.value, b.zooter, b.best_single, b.rows] for b in curve.bins]
    return header, rows
