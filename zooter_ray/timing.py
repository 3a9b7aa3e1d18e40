"""Wall time of a unit's work, in `timing.json` beside its manifest: what `zooter plan --measured` learns from.

A file of its own, since the manifest says what was made and this says how long it took; no fingerprint knows it.
"""

import posixpath
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from zooter_ray.artifacts import Unit, file_system, read_json, write_json

TIMING = "timing.json"


@dataclass(frozen=True)
class Timing:
    """One attempt at a unit; of a unit that was resumed, the last."""

    seconds: float  # from the start to the last row
    start_s: float  # of these, before the first row was begun: workers start, models load
    first_s: float  # until the first rows were there
    first_rows: int
    rows: int  # of this attempt
    shared_by: tuple[str, ...]  # units that were made together, in this one's time

    @property
    def rate_after_first(self) -> float | None:
        """Rows per second once the first were there; None if they were all."""
        rows, seconds = self.rows - self.first_rows, self.seconds - self.first_s
        return rows / seconds if rows > 0 and seconds > 0 else None


@dataclass
class Stopwatch:
    """Runs from when it is made."""

    started: float = field(default_factory=time.monotonic)
    first_s: float | None = None
    start_s: float = 0.0
    first_rows: int = 0
    rows: int = 0

    def add(self, rows: int, took_s: float = 0.0) -> None:
        """Count rows that are done now; `took_s` is how long the first of them were worked on, where that is known."""
        if self.first_s is None:
            self.first_s = time.monotonic() - self.started
            self.start_s, self.first_rows = max(0.0, self.first_s - took_s), rows
        self.rows += rows

    def over(self, counts: Iterable[int]) -> Iterator[int]:
        """Pass counts of rows on, adding each."""
        for count in counts:
            self.add(count)
            yield count

    def write(self, units: Sequence[Unit]) -> None:
        """Write the time into the units that were made in it; nothing if no row came."""
        if self.first_s is None:
            return
        seconds = time.monotonic() - self.started
        names = tuple(unit.name for unit in units)
        timing = Timing(seconds, self.start_s, self.first_s, self.first_rows, self.rows, names)
        for unit in units:
            write_json(posixpath.join(unit.path, TIMING), asdict(timing))


def read_timing(directory: str) -> Timing | None:
    """The timing in a unit's directory, if there is one."""
    path = posixpath.join(directory, TIMING)
    fs, inner = file_system(path)
    if not fs.exists(inner):
        return None
    found: dict[str, Any] = read_json(path)
    return Timing(**{**found, "shared_by": tuple(found["shared_by"])})
