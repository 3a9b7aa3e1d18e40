"""The report for the terminal."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from zooter_ray.evaluation.benchmarks.outcomes import SubsetResult
from zooter_ray.evaluation.rendering.tables import amount
from zooter_ray.evaluation.schema import MethodResult, Report, Supervision

STYLE = {"router": "green", "oracle": "dim"}


def source_table(report: Report) -> Table:
    """A row per source, a column per expert, random, best single, zooter and oracle; the best but the oracle bold."""
    table = _table(f"{report.value} per source, on {report.rows} held-out queries")
    columns = [
        method
        for method in report.methods
        if method.kind in ("random", "expert", "router", "oracle") or method is report.named("best single")
    ]
    table.add_column("source", no_wrap=True)
    for method in columns:
        words = method.shown.split()
        header = "\n".join(words) if method.kind == "baseline" else method.shown
        style = STYLE.get(method.kind)
        table.add_column(header, justify="right", vertical="bottom", min_width=max(map(len, words)), style=style)
    rows = [(source, [method.per_source[source] for method in columns]) for source in report.sources]
    for number, (source, values) in enumerate([*rows, ("mean", [method.mean for method in columns])], start=1):
        best = max(value for value, method in zip(values, columns, strict=True) if method.kind != "oracle")
        cells = [
            _cell(value, value == best and method.kind != "oracle")
            for value, method in zip(values, columns, strict=True)
        ]
        table.add_row(source, *cells, end_section=number == len(rows))
    return table


def method_table(report: Report) -> Table:
    """A row per method: mean, ranks, cost, and how far zooter is ahead of it."""
    table = _table(f"every method; intervals of {report.confidence:.0%} from {report.draws} paired draws")
    table.add_column("method")
    for name in ("mean", "MTR", "uplift", "cost", "zooter ahead"):
        table.add_column(name, justify="right", no_wrap=True)
    for method in report.methods:
        table.add_row(method.shown, *_method_cells(method), style=STYLE.get(method.kind))
    return table


def _method_cells(method: MethodResult) -> Iterator[str]:
    yield f"{method.mean:.3f}"
    yield f"{method.mean_task_rank:.2f}"
    yield f"{method.uplift:.0%}"
    yield amount(method.cost)
    ahead = method.zooter_ahead
    yield "" if ahead is None else f"{ahead.difference:+.3f} ({ahead.low:+.3f} to {ahead.high:+.3f})"


def summary(report: Report) -> list[str]:
    """The sentences below the tables."""
    lines = [f"The best single expert, chosen on training data, is {report.experts[report.best_single]}."]
    lines += report.verdicts.values()
    if report.seen_rows:
        lines.append(f"{report.seen_rows} of the {report.rows} queries are training queries as well.")
    if report.gap_closed is not None:
        lines.append(f"zooter closes {report.gap_closed:.0%} of the gap from the best single expert to the oracle.")
    return lines


def rewards_sentence(told: Supervision) -> str:
    """How sure the distilled rewards are."""
    entropy = (
        "" if told.entropy is None else f"; the mean entropy of their sample labels is {told.entropy:.2f} of log M"
    )
    return f"{told.undecided} of {told.rows} training queries carry no preference{entropy}."


def agreement_table(told: Supervision) -> Table:
    """A row for each two reward models."""
    table = _table("do the reward models agree? on training queries on which both prefer an expert")
    table.add_column("reward models")
    for name in ("queries", "same best", "by chance", "rank correlation"):
        table.add_column(name, justify="right")
    for pair in told.agreement:
        figures = (pair.same_best, pair.by_chance, pair.rank_correlation)
        cells = ["" if figure is None else f"{figure:.3f}" for figure in figures]
        table.add_row(f"{pair.first}, {pair.second}", str(pair.queries), *cells)
    return table


def subset_table(results: Sequence[SubsetResult]) -> Table:
    """A row per subset of the benchmarks, a column per expert; behind it how many grades there are not."""
    table = _table("mean grade per subset")
    table.add_column("subset", no_wrap=True)
    experts = list(dict.fromkeys(result.expert for result in results))
    for expert in experts:
        table.add_column(expert, justify="right", overflow="fold")
    table.add_column("queries", justify="right", no_wrap=True)
    table.add_column("no grade", justify="right")
    for source in dict.fromkeys(result.source for result in results):
        theirs = {result.expert: result for result in results if result.source == source}
        missing = sum(result.missing for result in theirs.values())
        means = [theirs[expert].mean for expert in experts]
        cells = ["" if mean is None else f"{mean:.4f}" for mean in means]
        queries = theirs[experts[0]].graded + theirs[experts[0]].missing
        table.add_row(source, *cells, str(queries), str(missing) if missing else "", end_section="/" not in source)
    return table


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0, show_edge=False)


def _cell(value: float, bold: bool) -> Text:
    return Text(f"{value:.3f}", style="bold" if bold else "")
