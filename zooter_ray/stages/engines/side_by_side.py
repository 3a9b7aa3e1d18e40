"""Run several engines at a time, as many as fit into the cluster."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any


@dataclass(frozen=True)
class Job:
    """What is left to do with one engine."""

    name: str
    total: int  # rows, those included that were finished before
    finished: int
    needs: Mapping[str, float]  # resources of all its workers
    run: Callable[[], Iterator[int]]  # does it, and yields the rows that were committed


def side_by_side(jobs: Sequence[Job], resources: Callable[[], Mapping[str, float]]) -> Iterator[int]:
    """Run jobs in threads, and yield the rows that any of them commits.

    A job starts once what it needs is left of `resources` (which may grow), in the order of the jobs as far as they
    fit; one that needs more than there is runs alone. If a job fails, those that run go on to their end, no other
    starts, and its error is raised. If the reader stops, so does every job after the rows that it has in hand.
    """
    told: SimpleQueue[tuple[Job, int | Exception | None]] = SimpleQueue()
    stopped = threading.Event()
    waiting, running, error = list(jobs), list[Job](), None
    try:
        while running or (waiting and error is None):
            for job in list(waiting) if error is None else ():
                if fits(job, running, resources()):
                    waiting.remove(job)
                    running.append(job)
                    threading.Thread(target=_tell, args=(job, told, stopped), name=job.name, daemon=True).start()
            job, news = told.get()
            if isinstance(news, int):
                yield news
            else:
                running.remove(job)
                error = error or news
    finally:
        stopped.set()
    if error is not None:
        raise error


def fits(job: Job, running: Sequence[Job], resources: Mapping[str, float]) -> bool:
    """Whether a job may start beside those that run."""
    asked = [job, *running]
    return not running or all(
        sum(one.needs.get(name, 0.0) for one in asked) <= resources.get(name, 0.0) for name in job.needs
    )


def _tell(job: Job, told: "SimpleQueue[tuple[Job, Any]]", stopped: threading.Event) -> None:
    """Run a job in its thread; all it does, its end and its error go into the queue."""
    try:
        for count in job.run():
            told.put((job, count))
            if stopped.is_set():
                return
    except Exception as error:  # noqa: BLE001 - raised again by whoever reads the queue
        told.put((job, error))
    else:
        told.put((job, None))
