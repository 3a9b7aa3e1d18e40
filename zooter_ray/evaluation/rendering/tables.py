"""The report's numbers as plain tables: what lies beside the plots as CSV."""

import csv
import io
from collections.abc import Iterable, Sequence

from zooter_ray.evaluation.schema import Report, Supervision

Table = tuple[Sequence[str], Iterable[Sequence[object]]]


def amount(cost: float | None) -> str:
    """A cost in few digits: generated tokens in a run, but whatever the outcomes of users count."""
    return "" if cost is None else f"{cost:.1f}" if cost >= 1 or cost == 0 else f"{cost:.2g}"


def methods(report: Report) -> Table:
    """One row per method."""
    header = [
        "method", "kind", "mean", *report.sources, "mean_task_rank", "uplift", "cost", "relative_cost",
        "pareto", "zooter_ahead", "low", "high",
    ]  # fmt: skip
    rows = [
        [
            method.shown, method.kind, method.mean, *(method.per_source[source] for source in report.sources),
            method.mean_task_rank, method.uplift, method.cost, method.relative_cost, method.pareto,
            *((ahead.difference, ahead.low, ahead.high) if (ahead := method.zooter_ahead) else (None, None, None)),
        ]
        for method in report.methods
    ]  # fmt: skip
    return header, rows


def tables_of(report: Report) -> dict[str, Table]:
    """The data of every plot, by its name."""
    wide, rows = methods(report)
    found: dict[str, Table] = {
        "metric_per_source": (wide, rows),
        "router_share": (
            ["rows", "source", *report.experts.values()],
            [
                ["all", "", *report.router_share.values()],
                *(["source", name, *share.values()] for name, share in report.router_share_per_source.items()),
                ["best expert", "", *report.oracle_share.values()],
            ],
        ),
        "entropy_against_quality": (
            ["point", "entropy", "value", "rows"],
            [
                *(["query", entropy, value, 1] for entropy, value in report.entropy.points),
                *(["mean", item.entropy, item.value, item.rows] for item in report.entropy.bins),
            ],
        ),
    }
    if report.calibration.bins:
        found["calibration"] = (
            ["low", "high", "rows", "predicted", "observed"],
            [[b.low, b.high, b.rows, b.predicted, b.observed] for b in report.calibration.bins],
        )
    if any(method.cost is not None for method in report.methods):
        found["quality_against_cost"] = (
            ["method", "cost", "mean", "pareto"],
            [[method.shown, method.cost, method.mean, method.pareto] for method in report.methods],
        )
    if report.expertise is not None:
        tags = zip(report.expertise.tags, report.expertise.rows, report.expertise.means, strict=True)
        found["expertise"] = (
            ["tag", "rows", *report.experts.values()],
            [[tag, count, *means] for tag, count, means in tags],
        )
    if report.supervision is not None:
        found |= supervision(report.supervision)
    return found


def supervision(told: Supervision) -> dict[str, Table]:
    """What the reward models say of the training queries: entropy per tag, agreement of each two."""
    tags: list[list[object]] = [["", told.rows, told.entropy]]
    tags += [[tag.tag, tag.rows, tag.entropy] for tag in told.tags]
    found: dict[str, Table] = {"entropy_per_tag": (["tag", "rows", "entropy"], tags)}
    if told.agreement:
        header = ["first", "second", "queries", "same_best", "by_chance", "rank_correlation"]
        found["reward_agreement"] = (header, [list(pair.model_dump().values()) for pair in told.agreement])
    return found


def as_csv(table: Table) -> bytes:
    """A table as the content of a CSV file; a cell that a spreadsheet would take for a formula is quoted as text."""
    header, rows = table
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in [header, *rows]:
        writer.writerow(map(_cell, row))
    return buffer.getvalue().encode()


def _cell(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
