"""Which jobs run at a time, and what becomes of their errors; with jobs that only wait for each other."""

import threading
from collections.abc import Iterator

import pytest

from zooter_ray.stages.engines.side_by_side import Job, fits, side_by_side


def job(name: str, gpus: float, counts: tuple[int, ...] = (1, 2), needs_cpus: float = 1.0) -> Job:
    return Job(name, sum(counts), 0, {"CPU": needs_cpus, "GPU": gpus}, lambda: iter(counts))


def test_a_job_fits_beside_others_if_all_it_needs_is_left() -> None:
    cluster = {"CPU": 8.0, "GPU": 4.0}
    assert fits(job("a", 2), [job("b", 2)], cluster)
    assert not fits(job("a", 2), [job("b", 3)], cluster)
    assert not fits(job("a", 2, needs_cpus=8), [job("b", 2)], cluster)
    assert fits(job("endpoint", 0), [job("b", 4)], cluster)
    assert not fits(job("a", 1), [job("b", 0)], {"CPU": 8.0})  # a cluster without GPUs


def test_a_job_that_needs_more_than_there_is_runs_alone() -> None:
    assert fits(job("a", 16), [], {"CPU": 8.0, "GPU": 4.0})
    assert sum(side_by_side([job("a", 16), job("b", 1)], lambda: {"CPU": 8.0, "GPU": 4.0})) == 6


def test_jobs_that_fit_run_at_the_same_time_and_the_others_after_them() -> None:
    order: list[str] = []
    met = threading.Barrier(2, timeout=10)

    def meets(name: str) -> Iterator[int]:
        order.append(name)
        met.wait()  # comes back only if both run at a time
        yield 1

    def alone() -> Iterator[int]:
        order.append("alone")
        yield 5

    needs = {"GPU": 2.0}
    jobs = [
        Job("first", 1, 0, needs, lambda: meets("first")),
        Job("alone", 5, 0, {"GPU": 4.0}, alone),
        Job("second", 1, 0, needs, lambda: meets("second")),
    ]
    assert sum(side_by_side(jobs, lambda: {"GPU": 4.0})) == 7
    assert (set(order[:2]), order[2]) == ({"first", "second"}, "alone")


def test_the_error_of_one_is_raised_once_the_others_have_ended_and_nothing_new_starts() -> None:
    failed = threading.Event()
    done: list[str] = []

    def fails() -> Iterator[int]:
        failed.set()
        raise OSError("no such endpoint")
        yield 1

    def goes_on() -> Iterator[int]:
        assert failed.wait(10)
        yield 1
        done.append("neighbour")

    def later() -> Iterator[int]:
        done.append("later")
        yield 1

    jobs = [
        Job("fails", 1, 0, {"GPU": 1.0}, fails),
        Job("neighbour", 1, 0, {"GPU": 1.0}, goes_on),
        Job("later", 1, 0, {"GPU": 2.0}, later),
    ]
    with pytest.raises(OSError, match="no such endpoint"):
        sum(side_by_side(jobs, lambda: {"GPU": 2.0}))
    assert done == ["neighbour"]


def test_jobs_stop_after_what_they_have_in_hand_once_nobody_reads() -> None:
    more = threading.Event()
    committed: list[int] = []

    def goes_on() -> Iterator[int]:
        for count in range(1, 4):
            committed.append(count)
            yield count
            more.wait(10)

    rows = side_by_side([Job("endless", 6, 0, {"GPU": 1.0}, goes_on)], lambda: {"GPU": 2.0})
    assert next(rows) == 1
    rows.close()
    more.set()
    for thread in threading.enumerate():
        if thread.name == "endless":
            thread.join(10)
    assert committed in ([1], [1, 2])
