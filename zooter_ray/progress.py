"""Progress of a stage: a bar on a terminal, a line now and then in a log."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import IO

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

LINE_EVERY_S = 15.0
ROWS_TOGETHER = 256  # enough for batches of like lengths, and seconds at most between two signs of progress


def new_console(file: IO[str] | None = None, width: int | None = None) -> Console:
    """A console that prints other people's texts as they are: no [markup], no :emoji: names."""
    return Console(file=file, width=width, markup=False, emoji=False)


class RateColumn(ProgressColumn):
    """Rows per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        """The recent rate, or the overall one once the task is done."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else shown_rate(speed, self.unit), style="progress.data.speed")


def shown_rate(per_second: float, unit: str) -> str:
    """A rate per second, or per hour where that would be about nothing."""
    return f"{per_second:.1f} {unit}/s" if unit == "rows" else f"{3600 * per_second:.0f} {unit}/h"


def track(counts: Iterable[int], total: int, name: str, console: Console, done: int = 0, unit: str = "rows") -> int:
    """Consume `counts` (rows finished at a time) and show them against `total`; returns the rows counted.

    Args:
        counts: numbers of rows, as they get finished.
        total: rows there are, `done` included.
        name: what is shown in front.
        console: where to show it.
        done: rows that were finished in an earlier run.
        unit: what is counted; rows by the second, anything else by the hour.
    """
    bars = _bar if console.is_terminal else _lines
    return sum(bars(counts, total, name, console, done, unit))


def map_rows(
    function: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str], name: str, console: Console
) -> np.ndarray:
    """`function(texts)`, an array with a row (D,) for each text, computed a part at a time, with progress."""
    parts: list[np.ndarray] = []

    def counts() -> Iterator[int]:
        for start in range(0, len(texts), ROWS_TOGETHER):
            parts.append(function(texts[start : start + ROWS_TOGETHER]))
            yield len(parts[-1])

    track(counts(), len(texts), name, console)
    return np.concatenate(parts)


def _bar(counts: Iterable[int], total: int, name: str, console: Console, done: int, unit: str) -> Iterator[int]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=total, completed=done)
        for count in counts:
            progress.advance(task, count)
            yield count


def _lines(counts: Iterable[int], total: int, name: str, console: Console, done: int, unit: str) -> Iterator[int]:
    """A line every LINE_EVERY_S seconds; the rate leaves out the start, up to the first rows."""
    started = last = first_at = time.monotonic()
    fresh = first = 0
    for count in counts:
        if not fresh:
            first, first_at = count, time.monotonic()
        fresh += count
        yield count
        if (now := time.monotonic()) - last >= LINE_EVERY_S and fresh > first:
            last = now
            rate = (fresh - first) / (now - first_at)
            left = (total - done - fresh) / rate
            _print(console, f"{name}: {done + fresh}/{total} {unit}, {shown_rate(rate, unit)}, {left:.0f} s left")
    seconds = time.monotonic() - started
    rate = fresh / max(seconds, 1e-9)
    _print(console, f"{name}: {done + fresh}/{total} {unit}, {shown_rate(rate, unit)}, finished in {seconds:.0f} s")


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)
