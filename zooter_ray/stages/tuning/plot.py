"""The metric against each setting that was searched."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zooter_ray.config.tuning import Range, TuneConfig
from zooter_ray.stages.tuning.ranking import Point
from zooter_ray.stages.tuning.value import Yardsticks

POINT, BEST, QUIET = "#8a8f98", "#0b6e4f", "#444444"
COLUMNS, SIDE = 3, 3.4  # inches
WIDE = 20  # largest over smallest value from which an axis is logarithmic


def metric_by_setting(points: Sequence[Point], config: TuneConfig, known: Yardsticks) -> Figure:
    """A panel per searched setting: a mark per point, a line through the best point of each value."""
    metric, space = config.tuning.metric, config.tuning.space
    whole = [point for point in points if point.whole]
    columns = min(COLUMNS, len(space))
    rows = -(-len(space) // columns)
    figure = Figure(figsize=(0.8 + SIDE * columns, 0.9 + 2.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel().tolist()
    for axes, (name, values) in zip(panels, space.items(), strict=False):
        _panel(axes, name, values, whole, metric)
        if metric == "validation_value":
            axes.axhline(known.single, color=QUIET, linewidth=1, linestyle="--", label=f"{known.best_single} alone")
    for axes in panels[len(space) :]:
        axes.set_visible(False)
    figure.supylabel(metric.replace("_", " ") + (f" ({known.value})" if metric == "validation_value" else ""))
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=COLUMNS, frameon=False, fontsize=9
    )
    return figure


def _panel(axes: Axes, name: str, values: list[Any] | Range, whole: Sequence[Point], metric: str) -> None:
    """The metric against one setting; values that are no numbers stand side by side."""
    found = [point.values[name] for point in whole]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in found)
    names = list(dict.fromkeys(map(str, found)))
    places = found if numbers else [names.index(str(value)) for value in found]
    heights = [point.mean(metric) for point in whole]
    axes.scatter(places, heights, s=24, color=POINT, label="a point of the search")
    if isinstance(values, list):
        _best_line(axes, places, heights, max if metric == "validation_value" else min)
    axes.scatter(places[:1], heights[:1], s=70, marker="D", color=BEST, zorder=3, label="the best")
    if numbers and (values.log if isinstance(values, Range) else 0 < WIDE * min(found) <= max(found)):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    if not numbers:
        axes.set_xticks(range(len(names)), names)
    elif isinstance(values, list):
        axes.set_xticks(sorted(set(found)), [f"{value:g}" for value in sorted(set(found))])
        axes.minorticks_off()
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(name)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)


def _best_line(axes: Axes, places: Sequence[Any], heights: Sequence[float], choose: Any) -> None:
    best: dict[Any, float] = {}
    for place, height in zip(places, heights, strict=True):
        best[place] = choose(best.get(place, height), height)
    axes.plot(*zip(*sorted(best.items()), strict=True), color=BEST, linewidth=1, label="best of each value")
