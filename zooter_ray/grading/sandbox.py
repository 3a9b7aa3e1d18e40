"""Runs generated Python code where it can do no harm.

Each run is a process of its own with an empty environment and working directory, resource limits, and a seccomp filter
(`seccomp.py`) that leaves it no way to write files, open sockets, start processes or signal others. It needs neither
root nor user namespaces, and gives up root if it has it and others may read Python's files. Without the filter nothing
is run.

What it does not do: code may read files that this user may read (it has nowhere to send them but its captured output,
whose last line becomes the result's reason), and it shares an interpreter with its tests. Printing, exiting and
killing itself cannot make it pass, but code written against this sandbox could: by reading the mark from its pipe,
replacing what the tests call, or returning objects that equal everything.
"""

import json
import math
import os
import secrets
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from zooter_ray.errors import SandboxError
from zooter_ray.grading.sandbox_child import READY, Job
from zooter_ray.grading.seccomp import build_filter

_CHILD = Path(__file__).with_name("sandbox_child.py")


START_SECONDS = 30.0  # for the interpreter alone, on a node that may be very busy


class SandboxLimits(BaseModel):
    """Bounds of one run; a run that reaches one of them fails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall_seconds: float = Field(default=5.0, gt=0, allow_inf_nan=False)
    cpu_seconds: int = Field(default=4, ge=1)
    # The interpreter itself takes about 30 MB.
    memory_mb: int = Field(default=512, ge=64)
    output_kb: int = Field(default=64, ge=1)


DEFAULT_LIMITS = SandboxLimits()


@dataclass(frozen=True)
class SandboxResult:
    """Whether all ran to the end without an exception, and one line on why not; the line may be the code's own."""

    passed: bool
    reason: str


@dataclass(frozen=True)
class _Ending:
    output: bytes
    stopped: str  # why the process had to be stopped; empty if it ended by itself
    exit_code: int


def run_python(code: str, limits: SandboxLimits = DEFAULT_LIMITS, tests: str = "") -> SandboxResult:
    """Run code, then tests in the same namespace.

    Raises:
        SandboxError: the process could not be started or protected; nothing was run.
    """
    mark = secrets.token_hex(16).encode()
    uname = os.uname()
    job = Job(
        code=code,
        tests=tests,
        filter=build_filter(uname.sysname, uname.machine).hex(),
        cpu_seconds=limits.cpu_seconds,
        memory_bytes=limits.memory_mb * 2**20,
    )
    try:
        with tempfile.TemporaryDirectory(prefix="zooter-sandbox-") as folder:
            ending = _end(_start(job, mark, Path(folder)), limits)
    except OSError as error:
        raise SandboxError(f"the sandbox's process could not be started: {error}") from error
    return _judge(ending, mark)


def _start(job: Job, mark: bytes, folder: Path) -> subprocess.Popen[bytes]:
    folder.chmod(0o755)  # also for the child that has given up root
    job_file = folder / "job.json"
    job_file.write_text(json.dumps(job))
    mark_reader, mark_writer = os.pipe()
    try:
        os.write(mark_writer, mark)
        with job_file.open("rb") as stdin:
            job_file.unlink()
            return subprocess.Popen(
                # Isolated, without site-packages, and without attempts to write bytecode.
                [sys.executable, "-I", "-S", "-B", str(_CHILD), str(mark_reader)],
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                cwd=folder,
                env={},
                pass_fds=(mark_reader,),
                start_new_session=True,
            )
    finally:
        os.close(mark_reader)
        os.close(mark_writer)


def _end(process: subprocess.Popen[bytes], limits: SandboxLimits) -> _Ending:
    """Collect the output until the process ends or has to be stopped; no process outlives this."""
    with process:
        try:
            output, stopped = _collect(process, limits)
        finally:
            # The session's leader is not yet reaped, so that its id cannot be another's.
            os.killpg(process.pid, signal.SIGKILL)
    return _Ending(output, stopped, process.returncode)


def _collect(process: subprocess.Popen[bytes], limits: SandboxLimits) -> tuple[bytes, str]:
    assert process.stdout is not None
    deadline = time.monotonic() + START_SECONDS
    output, ready = b"", False
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    while len(output) <= limits.output_kb * 1024:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(math.ceil(left * 1000)):
            return output, f"timed out after {limits.wall_seconds if ready else START_SECONDS:g} s"
        chunk = process.stdout.read(65536)
        if not chunk:
            return output, ""
        output += chunk
        if not ready and output.startswith(READY):
            ready, deadline = True, time.monotonic() + limits.wall_seconds
    return output, f"printed more than {limits.output_kb} kB"


def _judge(ending: _Ending, mark: bytes) -> SandboxResult:
    if not ending.output.startswith(READY):
        why = ending.stopped or _last_line(ending.output) or f"exit code {ending.exit_code}"
        raise SandboxError(f"the sandbox's process could not protect itself: {why}")
    output = ending.output.removeprefix(READY)
    if ending.stopped:
        return SandboxResult(False, ending.stopped)
    if output.endswith(mark):
        return SandboxResult(True, "passed")
    if ending.exit_code < 0:
        return SandboxResult(False, f"killed by {signal.Signals(-ending.exit_code).name}")
    early = f"ended early with exit code {ending.exit_code}"
    return SandboxResult(False, _last_line(output) or early if ending.exit_code == 1 else early)


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""
