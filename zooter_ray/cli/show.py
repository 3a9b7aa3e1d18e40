"""What commands print at their end: the report's table, the paths, queries as they are routed."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from zooter_ray.artifacts import read_json
from zooter_ray.evaluation.report import best_single_line, terminal_table
from zooter_ray.router.predictor import RouterPredictor


def show_report(path: str, console: Console) -> None:
    """The table and the verdicts of a report.json."""
    report = read_json(path)
    console.print(terminal_table(report))
    console.print(best_single_line(report), highlight=False)
    for verdict in report["verdicts"]:
        console.print(verdict, highlight=False)
    if (gap := report["gap_closed"]) is not None:
        console.print(f"zooter closes {gap:.0%} of the gap from the best single expert to the oracle.", highlight=False)


def show_paths(paths: Mapping[str, str], console: Console) -> None:
    """Where everything was written."""
    for stage, path in paths.items():
        console.print(f"{stage:>10}  {path}", highlight=False, soft_wrap=True)


def show_routed(router: RouterPredictor, queries: Sequence[str], shown: Mapping[str, str], console: Console) -> None:
    """Queries, and where the router sends them."""
    table = Table(title="Queries, routed", title_justify="left")
    for column in ("query", "expert", "probability"):
        table.add_column(column, justify="right" if column == "probability" else "left")
    for query, probabilities in zip(queries, router(queries), strict=True):
        choice = int(probabilities.argmax())
        table.add_row(query, shown[router.experts[choice]], f"{probabilities[choice]:.2f}")
    console.print(table)
