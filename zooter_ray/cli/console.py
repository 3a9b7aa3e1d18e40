"""Keep the terminal for what a person wants to see: what Ray and vLLM print goes to a file."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from zooter_ray.artifacts import writing
from zooter_ray.progress import new_console


@contextmanager
def quiet(log: Path) -> Iterator[Console]:
    """Send file descriptors 1 and 2 to `log` and yield a console on the real terminal.

    Descriptors, and not sys.stdout, because Ray's daemons and vLLM's engine write from other processes.
    """
    with writing(str(log)):
        log.parent.mkdir(parents=True, exist_ok=True)
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    try:
        with os.fdopen(os.dup(saved[0]), "w", encoding="utf-8") as terminal:
            console = new_console(terminal)
            console.print(f"Ray and vLLM write to {log}", highlight=False, soft_wrap=True)
            yield console
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in saved:
            os.close(descriptor)
