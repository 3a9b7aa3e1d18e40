"""Builds the seccomp filter for generated code: the system calls that computing needs, and no others.

A filter is a classic BPF program that the kernel runs on every system call (see `man 2 seccomp`). This one allows
what is listed here, refuses all else with EPERM, and kills a process that calls through another architecture's ABI.
No listed call starts a process or thread, opens a socket, changes a file, or signals another process. Two are listed
for some arguments only: `openat` reads, and `fcntl` handles descriptor flags (it could also have the kernel send
signals on its behalf).
"""

import errno
import struct
from typing import NamedTuple

from zooter_ray.errors import SandboxError

# Numbers on x86_64 and on aarch64, which lacks the calls that others have replaced.
_CALLS: dict[str, tuple[int, int | None]] = {
    "access": (21, None),
    "brk": (12, 214),
    "clock_getres": (229, 114),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "close": (3, 57),
    "exit": (60, 93),
    "exit_group": (231, 94),
    "faccessat": (269, 48),
    "faccessat2": (439, 439),
    "fcntl": (72, 25),
    "fstat": (5, 80),
    "futex": (202, 98),
    "getcwd": (79, 17),
    "getdents64": (217, 61),
    "getegid": (108, 177),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "getrandom": (318, 278),
    "getrusage": (98, 165),
    "gettid": (186, 178),
    "gettimeofday": (96, 169),
    "getuid": (102, 174),
    "lseek": (8, 62),
    "lstat": (6, None),
    "madvise": (28, 233),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "mremap": (25, 216),
    "munmap": (11, 215),
    "nanosleep": (35, 101),
    "newfstatat": (262, 79),
    "openat": (257, 56),
    "poll": (7, None),
    "ppoll": (271, 73),
    "pread64": (17, 67),
    "pselect6": (270, 72),
    "read": (0, 63),
    "readlink": (89, None),
    "readlinkat": (267, 78),
    "readv": (19, 65),
    "restart_syscall": (219, 128),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sched_getaffinity": (204, 123),
    "sched_yield": (24, 124),
    "select": (23, None),
    "sigaltstack": (131, 132),
    "stat": (4, None),
    "statx": (332, 291),
    "sysinfo": (99, 179),
    "time": (201, None),
    "times": (100, 153),
    "uname": (63, 160),
    "write": (1, 64),
    "writev": (20, 66),
}


class _Machine(NamedTuple):
    column: int  # in the table above
    arch: int  # the kernel's AUDIT_ARCH_*
    reading: int  # O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW | O_LARGEFILE | O_NONBLOCK, some of which differ


_MACHINES = {
    "x86_64": _Machine(0, 0xC000003E, 0o2704000),
    "aarch64": _Machine(1, 0xC00000B7, 0o2544000),
}

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_ANY_BIT = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_KILL = 0x80000000

# Offsets in struct seccomp_data. Of an argument, the low half: to the kernel, both arguments looked at are ints.
_NUMBER, _ARCH, _ARGUMENT_1, _ARGUMENT_2 = 0, 4, 24, 32

_F_GETFD, _F_SETFD, _F_GETFL = 1, 2, 3


def build_filter(system: str, machine: str) -> bytes:
    """The filter as an array of struct sock_filter (8 bytes each), for a system and machine as `os.uname` names them.

    Raises:
        SandboxError: there is no table of system calls for them.
    """
    if system != "Linux" or machine not in _MACHINES:
        raise SandboxError(
            f"generated code runs only on Linux on {' or '.join(_MACHINES)}, and this is {system} on {machine}"
        )
    column, arch, reading = _MACHINES[machine]
    checks = {"openat": _allow_flags(reading), "fcntl": _allow_descriptor_flags()}
    program = [_step(_LOAD, _ARCH), _step(_IF_EQUAL, arch, 1, 0), _step(_RETURN, _KILL), _step(_LOAD, _NUMBER)]
    for name, numbers in _CALLS.items():
        number = numbers[column]
        if number is not None:
            body = checks.get(name, [_step(_RETURN, _ALLOW)])
            program += [_step(_IF_EQUAL, number, 0, len(body)), *body]
    return b"".join([*program, _step(_RETURN, _REFUSE)])


def _allow_flags(flags: int) -> list[bytes]:
    """Allow a call whose argument 2 has no other bits than `flags`."""
    return [
        _step(_LOAD, _ARGUMENT_2),
        _step(_IF_ANY_BIT, 0xFFFFFFFF ^ flags, 0, 1),
        _step(_RETURN, _REFUSE),
        _step(_RETURN, _ALLOW),
    ]


def _allow_descriptor_flags() -> list[bytes]:
    return [
        _step(_LOAD, _ARGUMENT_1),
        _step(_IF_EQUAL, _F_GETFD, 3, 0),
        _step(_IF_EQUAL, _F_SETFD, 2, 0),
        _step(_IF_EQUAL, _F_GETFL, 1, 0),
        _step(_RETURN, _REFUSE),
        _step(_RETURN, _ALLOW),
    ]


def _step(code: int, value: int, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if_true, skip_if_false, value)
