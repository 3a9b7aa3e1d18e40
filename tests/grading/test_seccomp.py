"""The filter's decisions, as the kernel would make them, for machines that the tests do not run on too."""

import errno
import struct

import pytest

from zooter_ray.errors import SandboxError
from zooter_ray.grading.seccomp import build_filter

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOWED, REFUSED, KILLED = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000


def decide(machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """Run the filter on one system call."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("<IIQ6Q", number, ARCH[machine] if arch is None else arch, 0, *padded)
    steps = list(struct.iter_unpack("=HBBI", build_filter("Linux", machine)))
    at, loaded = 0, 0
    while True:
        code, skip_if_true, skip_if_false, value = steps[at]
        if code == 0x06:
            return int(value)
        if code == 0x20:
            loaded = struct.unpack_from("<I", data, value)[0]
        elif code == 0x15:
            at += skip_if_true if loaded == value else skip_if_false
        elif code == 0x45:
            at += skip_if_true if loaded & value else skip_if_false
        at += 1


@pytest.mark.parametrize(("machine", "numbers"), [("x86_64", (0, 1, 9, 39, 231)), ("aarch64", (63, 64, 222, 172, 94))])
def test_what_computing_needs_is_allowed(machine: str, numbers: tuple[int, ...]) -> None:
    assert {decide(machine, number) for number in numbers} == {ALLOWED}


# open clone fork vfork execve kill socket connect unlink rename prctl ptrace tgkill unlinkat splice process_vm_writev
# seccomp memfd_create execveat io_uring_setup clone3 pidfd_send_signal, and getpid through the x32 ABI
X86_64_REFUSED = (
    2,
    56,
    57,
    58,
    59,
    62,
    41,
    42,
    87,
    82,
    157,
    101,
    234,
    263,
    275,
    311,
    317,
    319,
    322,
    425,
    435,
    424,
    0x40000000 | 39,
)
# ioctl mkdirat unlinkat ftruncate fchmodat splice ptrace kill tkill tgkill prctl socket connect clone execve
# process_vm_writev renameat2 seccomp memfd_create io_uring_setup clone3 pidfd_send_signal
AARCH64_REFUSED = (
    29,
    34,
    35,
    46,
    53,
    76,
    117,
    129,
    130,
    131,
    167,
    198,
    203,
    220,
    221,
    271,
    276,
    277,
    279,
    425,
    435,
    424,
)


@pytest.mark.parametrize(("machine", "numbers"), [("x86_64", X86_64_REFUSED), ("aarch64", AARCH64_REFUSED)])
def test_all_else_is_refused(machine: str, numbers: tuple[int, ...]) -> None:
    assert {decide(machine, number) for number in numbers} == {REFUSED}


@pytest.mark.parametrize(("machine", "openat", "directory"), [("x86_64", 257, 0o200000), ("aarch64", 56, 0o40000)])
def test_files_may_only_be_opened_for_reading(machine: str, openat: int, directory: int) -> None:
    read_only, close_on_exec = 0, 0o2000000
    for flags in (read_only, close_on_exec, directory | close_on_exec):
        assert decide(machine, openat, 0, 0, flags) == ALLOWED
    write_only, read_write, create, truncate, append, temporary = 1, 2, 0o100, 0o1000, 0o2000, 0o20000000
    for flags in (write_only, read_write, create, truncate, append, temporary, directory | write_only):
        assert decide(machine, openat, 0, 0, flags | close_on_exec) == REFUSED


@pytest.mark.parametrize(("machine", "fcntl"), [("x86_64", 72), ("aarch64", 25)])
def test_fcntl_may_not_have_signals_sent(machine: str, fcntl: int) -> None:
    get_flags, set_owner, set_signal, set_status = 1, 8, 10, 4
    assert decide(machine, fcntl, 0, get_flags) == ALLOWED
    for command in (set_owner, set_signal, set_status):
        assert decide(machine, fcntl, 0, command) == REFUSED


@pytest.mark.parametrize("machine", ARCH)
def test_another_architectures_abi_kills(machine: str) -> None:
    i386 = 0x40000003
    assert decide(machine, 1, arch=i386) == KILLED


@pytest.mark.parametrize(("system", "machine"), [("Darwin", "arm64"), ("Linux", "riscv64"), ("Darwin", "x86_64")])
def test_other_platforms_are_refused(system: str, machine: str) -> None:
    with pytest.raises(SandboxError, match=machine):
        build_filter(system, machine)
