"""Runs in the sandbox's process: protects itself, then runs a candidate and its tests.

`sandbox.py` starts this file as a script, with a job (JSON) on standard input and, as its only argument, the
descriptor of a pipe that holds the secret mark of success. It writes "ready" once it is protected, and copies the mark
to its output after the last test. The mark stays in the pipe until then, out of the interpreter's memory. Exceptions
are not caught: an early end of any kind leaves the mark unwritten.
"""

import ctypes
import json
import os
import resource
import signal
import sys
import types
from typing import TypedDict

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2

READY = b"ready\n"
NOBODY = 65534  # user and group of the kernel's overflow id, which own nothing


class Job(TypedDict):
    """What the parent asks for; `filter` is the hexadecimal form of a BPF program."""

    code: str
    tests: str
    filter: str
    cpu_seconds: int
    memory_bytes: int


class _Program(ctypes.Structure):
    """The kernel's struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def main() -> None:
    """Run the job on standard input.

    Raises:
        OSError: the process cannot be protected; nothing was run.
    """
    job: Job = json.load(sys.stdin)
    mark_pipe = int(sys.argv[1])
    _become_nobody()
    _limit_resources(job["cpu_seconds"], job["memory_bytes"])
    _install_filter(bytes.fromhex(job["filter"]))
    # Kept aside, since the candidate may replace what modules hold.
    read, write, leave = os.read, os.write, os._exit
    write(1, READY)
    _run(job["code"], job["tests"])
    write(1, read(mark_pipe, 64))
    leave(0)


def _become_nobody() -> None:
    """Give up root, for good, where Python's own files, which the candidate imports, can be read without it."""
    if os.geteuid() != 0:
        return
    try:
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    except PermissionError:  # root in name alone, as in some containers
        return
    is_readable = os.access(os.__file__, os.R_OK, effective_ids=True)
    os.seteuid(0)
    os.setegid(0)
    if is_readable:
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def _limit_resources(cpu_seconds: int, memory_bytes: int) -> None:
    # The hard limit of CPU time kills a process that ignores the signal that the soft one sends.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    for nothing in (resource.RLIMIT_FSIZE, resource.RLIMIT_CORE, resource.RLIMIT_NPROC):
        resource.setrlimit(nothing, (0, 0))


def _install_filter(steps: bytes) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(steps) // 8, steps)
    # A parent that was killed cannot kill this process in time.
    _prctl(libc, PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))
    _prctl(libc, PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1))
    _prctl(libc, PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(program))


def _prctl(libc: ctypes.CDLL, option: int, *arguments: object) -> None:
    padding = (ctypes.c_ulong(0),) * (4 - len(arguments))
    if libc.prctl(ctypes.c_int(option), *arguments, *padding) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl({option}) failed: {os.strerror(code)}")


def _run(code: str, tests: str) -> None:
    # A module of its own: dataclasses and the like look for the module of a class.
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    candidate = compile(code, "<candidate>", "exec", dont_inherit=True)
    checks = compile(tests, "<tests>", "exec", dont_inherit=True)
    run = exec  # the candidate may replace the built-in
    run(candidate, module.__dict__)
    run(checks, module.__dict__)


if __name__ == "__main__":
    main()
