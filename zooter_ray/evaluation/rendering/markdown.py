"""The report as Markdown."""

import re
from collections.abc import Iterable, Sequence

from zooter_ray.evaluation.rendering.tables import amount
from zooter_ray.evaluation.rendering.terminal import rewards_sentence, summary
from zooter_ray.evaluation.schema import MethodResult, Report, Supervision

SHOWN_TAGS = 24


def markdown(report: Report) -> str:
    """Tables of all methods, the verdicts, and what the router lost most on."""
    header = ["method", *report.sources, "mean", "MTR", "uplift", "cost", "relative cost", "zooter ahead"]
    shares = ", ".join(f"{report.experts[e]} {share:.0%}" for e, share in report.router_share.items())
    lines = [
        "# What the router is worth",
        "",
        f"{report.value.capitalize()} per source and the mean over the sources; {report.rows} held-out queries. "
        f"Intervals of {report.confidence:.0%} from {report.draws:,} paired bootstrap draws. Methods are ranked "
        f"against {'the single experts' if report.rank_against == 'experts' else 'each other'}.",
        "",
        *_table(header, [_row(report, method) for method in report.methods]),
        "",
        *(f"- {plain(sentence)}" for sentence in summary(report)),
        f"- The router's choices: {plain(shares)}.",
    ]
    if (error := report.calibration.expected_error) is not None:
        rows = sum(item.rows for item in report.calibration.bins)
        lines.append(
            f"- Expected calibration error of the chosen experts' probabilities: {error:.3f}, over the {rows} queries "
            "on which experts differ."
        )
    if groups := report.of_kind("router").per_group:
        lines += ["", "## Per group", "", *_groups(report, list(groups))]
    if report.supervision is not None:
        lines += _supervision(report.supervision)
    if report.losses:
        lost = [[c.query, c.source, report.experts[c.zooter], report.experts[c.oracle], f"{c.loss:.3f}"]
                for c in report.losses]  # fmt: skip
        lines += [
            "",
            "## What the router lost most on",
            "",
            *_table(["query", "source", "router", "oracle", "lost"], lost),
        ]
    return "\n".join(lines) + "\n"


def _groups(report: Report, groups: Sequence[str]) -> list[str]:
    """Mean and MTR of every method on each group of sources."""
    header = ["method", *(f"{group or '(no group)'} {name}" for group in groups for name in ("mean", "MTR"))]
    found = [(method.shown, [method.per_group[group] for group in groups]) for method in report.methods]
    rows = [
        [shown, *(text for result in results for text in (f"{result.mean:.3f}", f"{result.mean_task_rank:.2f}"))]
        for shown, results in found
    ]
    return _table(header, rows)


def _supervision(told: Supervision) -> list[str]:
    """What the reward models say of the training queries."""
    lines = ["", "## What the rewards say", "", rewards_sentence(told)]
    if told.agreement:
        header = ["reward models", "queries", "same best", "by chance", "rank correlation"]
        rows = [
            [f"{pair.first}, {pair.second}", str(pair.queries), _share(pair.same_best), _share(pair.by_chance),
             "" if pair.rank_correlation is None else f"{pair.rank_correlation:.3f}"]
            for pair in told.agreement
        ]  # fmt: skip
        lines += ["", *_table(header, rows)]
    if told.tags:
        tags = [[tag.tag, str(tag.rows), f"{tag.entropy:.3f}"] for tag in told.tags[:SHOWN_TAGS]]
        lines += ["", *_table(["tag", "training queries", "entropy"], tags)]
    return lines


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"


def _row(report: Report, method: MethodResult) -> list[str]:
    ahead = method.zooter_ahead
    return [
        method.shown,
        *(f"{method.per_source[source]:.3f}" for source in report.sources),
        f"{method.mean:.3f}",
        f"{method.mean_task_rank:.2f}",
        f"{method.uplift:.0%}",
        amount(method.cost),
        "" if method.relative_cost is None else f"{method.relative_cost:.2f}",
        "" if ahead is None else f"{ahead.difference:+.3f} ({ahead.low:+.3f} to {ahead.high:+.3f})",
    ]


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    first, *others = [[cell(text) for text in row] for row in [header, *rows]]
    return [f"| {' | '.join(first)} |", f"|{'---|' * len(header)}", *(f"| {' | '.join(row)} |" for row in others)]


def cell(text: str) -> str:
    """Other people's text in one cell: on one line, cut, and without a meaning of its own."""
    return plain(" ".join(text.split())[:200])


def plain(text: str) -> str:
    """A text in which nothing means anything to Markdown."""
    return re.sub(r"([\\`*_\[\]!|])", r"\\\1", text).replace("<", "&lt;")
