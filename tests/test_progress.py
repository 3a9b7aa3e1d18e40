"""Progress on a terminal and in a log."""

import io

import numpy as np
import pytest
from rich.console import Console

from zooter_ray import progress
from zooter_ray.progress import map_rows, track


def consoles() -> tuple[Console, Console]:
    return Console(file=io.StringIO(), width=200), Console(file=io.StringIO(), width=200, force_terminal=True)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rows_are_counted_on_either_console() -> None:
    for console in consoles():
        assert track(iter([3, 4]), 7, "scoring", console) == 7


def test_rows_of_an_earlier_run_are_shown_but_not_counted() -> None:
    for console in consoles():
        assert track([4], 7, "scoring", console, done=3) == 4
        assert "7/7" in shown(console)


def test_nothing_to_do_is_no_error() -> None:
    for console in consoles():
        assert track([], 0, "scoring", console) == 0


def test_a_log_gets_one_line_in_the_end() -> None:
    log, _ = consoles()
    track([3, 4], 7, "scoring", log)
    (line,) = shown(log).splitlines()
    assert line.startswith("scoring: 7/7 rows, ")
    assert line.endswith(" rows/s, finished in 0 s")


def test_a_log_gets_a_line_now_and_then_with_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    log, _ = consoles()
    track([3, 4], 10, "scoring", log, done=2)
    line, last = shown(log).splitlines()
    assert line.startswith("scoring: 9/10 rows, "), "no rate can be known at the first rows"
    assert line.endswith(" s left")
    assert last.startswith("scoring: 9/10 rows, ")


def test_a_terminal_gets_a_bar_with_a_rate() -> None:
    _, terminal = consoles()
    track([3, 4], 7, "scoring", terminal)
    assert "scoring" in shown(terminal)
    assert "7/7" in shown(terminal)
    assert "rows/s" in shown(terminal)


def test_what_goes_wrong_while_rows_are_made_comes_through() -> None:
    def counts() -> object:
        yield 3
        raise ValueError("row 4")

    for console in consoles():
        with pytest.raises(ValueError, match="row 4"):
            track(counts(), 7, "scoring", console)


def test_rows_are_mapped_a_part_at_a_time_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "ROWS_TOGETHER", 2)
    asked: list[list[str]] = []

    def lengths(texts: list[str]) -> np.ndarray:
        asked.append(texts)
        return np.array([[len(text)] for text in texts])

    for console in consoles():
        assert map_rows(lengths, ["a", "bb", "ccc"], "embedding", console).tolist() == [[1], [2], [3]]
        assert "3/3" in shown(console)
    assert asked == [["a", "bb"], ["ccc"]] * 2
