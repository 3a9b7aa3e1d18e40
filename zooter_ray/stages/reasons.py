"""Why something failed under Ray, in one line."""

from collections.abc import Sequence


def reason_of(error: BaseException) -> str:
    """Why something failed, in one line: the first line of what was raised first.

    Ray wraps what a worker raised: Ray Train by rank, Ray Tune and Ray's tasks as `cause`, both beside tracebacks.
    """
    failures: Sequence[BaseException] = list(getattr(error, "worker_failures", {}).values())
    inner = failures[0] if failures else getattr(error, "cause", None) or getattr(error, "_base_exc", None)
    if isinstance(inner, BaseException):
        return reason_of(inner)
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
