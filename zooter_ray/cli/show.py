"""What commands print at their end: the report's tables and where everything is."""

import posixpath
from collections.abc import Mapping

from rich.console import Console

from zooter_ray.evaluation.rendering.terminal import agreement_table, method_table, source_table, summary
from zooter_ray.evaluation.schema import read_report


def show_report(path: str, console: Console) -> None:
    """The tables and the verdicts of a report.json, and where the page for the browser is."""
    report = read_report(path)
    console.print(source_table(report))
    console.print(method_table(report))
    if report.supervision is not None and report.supervision.agreement:
        console.print(agreement_table(report.supervision))
    for sentence in summary(report):
        console.print(sentence, highlight=False)
    console.print(f"report: {posixpath.dirname(path)}/report.html", highlight=False, soft_wrap=True)


def show_paths(paths: Mapping[str, str], console: Console) -> None:
    """Where everything was written."""
    for stage, path in paths.items():
        console.print(f"{stage:>10}  {path}", highlight=False, soft_wrap=True)
