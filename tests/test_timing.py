"""Wall time of a unit's work, beside its manifest."""

from pathlib import Path

import pytest

from zooter_ray.artifacts import make_unit
from zooter_ray.timing import Stopwatch, Timing, read_timing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time; set its one item."""
    now = [100.0]
    monkeypatch.setattr("zooter_ray.timing.time.monotonic", lambda: now[0])
    return now


def test_the_start_ends_when_the_first_rows_were_begun(tmp_path: Path, clock: list[float]) -> None:
    units = [make_unit(str(tmp_path), "02_responses", name, {}) for name in ("a", "b")]
    watch = Stopwatch(started=100.0)
    clock[0] = 140.0
    watch.add(64, took_s=8.0)
    clock[0] = 150.0
    watch.add(16, took_s=9.0)
    watch.write(units)
    expected = Timing(seconds=50.0, start_s=32.0, first_s=40.0, first_rows=64, rows=80, shared_by=("a", "b"))
    assert [read_timing(unit.path) for unit in units] == [expected, expected]
    assert expected.rate_after_first == 1.6


def test_counts_are_passed_on(clock: list[float]) -> None:
    watch = Stopwatch()
    assert list(watch.over([3, 4])) == [3, 4]
    assert (watch.rows, watch.first_rows) == (7, 3)


def test_a_unit_without_rows_leaves_no_time(tmp_path: Path) -> None:
    unit = make_unit(str(tmp_path), "02_responses", "a", {})
    Stopwatch().write([unit])
    assert read_timing(unit.path) is None
