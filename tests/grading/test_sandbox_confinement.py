"""What generated code cannot reach from the sandbox."""

import os
import sys
from pathlib import Path

import pytest

from zooter_ray.grading.sandbox import run_python

SYSTEM_PYTHON = Path("/usr/bin/python3")
pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


def refused(code: str) -> bool:
    """Whether the code was stopped by the filter, and by nothing else."""
    result = run_python(code)
    return not result.passed and "PermissionError" in result.reason


@pytest.mark.parametrize(
    "code",
    [
        "import os\nwhile True: os.fork()",
        "import os; os.execv('/bin/true', ['true'])",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import subprocess; subprocess.run(['true'])",
        "import os\nif os.system('true') != 0: raise PermissionError",
        "import multiprocessing as m; m.get_context('fork').Process(target=print).start()",
    ],
)
def test_processes_cannot_be_started(code: str) -> None:
    assert refused(code)


def test_threads_cannot_be_started() -> None:
    assert "can't start new thread" in run_python("import threading; threading.Thread(target=print).start()").reason


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.socket()",
        "import socket; socket.socketpair()",
        "import socket; socket.create_connection(('127.0.0.1', 80))",
    ],
)
def test_sockets_are_refused(code: str) -> None:
    assert refused(code)


@pytest.mark.parametrize(
    "code",
    [
        "open(path, 'w')",
        "open(path, 'a')",
        "open(path, 'r+')",
        "open(path + '.new', 'x')",
        "open('relative', 'w')",
        "os.remove(path)",
        "os.rename(path, path + '.old')",
        "os.truncate(path, 0)",
        "os.chmod(path, 0)",
        "os.utime(path)",
        "os.link(path, path + '.link')",
        "os.symlink(path, path + '.link')",
        "os.mkdir(path + '.folder')",
        "os.mkfifo(path + '.fifo')",
        "os.open(os.path.dirname(path), os.O_TMPFILE | os.O_RDWR)",
        "os.ftruncate(os.open(path, os.O_RDONLY), 0)",
        "os.memfd_create('x')",
    ],
)
def test_the_filesystem_cannot_be_changed(code: str, tmp_path: Path) -> None:
    file = tmp_path / "precious.txt"
    file.write_text("precious")
    before = file.stat()
    assert refused(f"import os\npath = {str(file)!r}\n{code}")
    assert file.read_text() == "precious"
    after = file.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["precious.txt", "sandboxes"]


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.kill(os.getppid(), 9)",
        "import os; os.killpg(0, 9)",
        "import os, fcntl; fcntl.fcntl(1, fcntl.F_SETOWN, os.getppid())",
        "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
    ],
)
def test_other_processes_cannot_be_touched(code: str) -> None:
    assert refused(code)


def test_resource_limits_cannot_be_raised() -> None:
    result = run_python("import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))")
    assert not result.passed
    assert "not allowed to raise maximum limit" in result.reason


def test_the_environment_and_working_directory_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    assert run_python("import os", tests="assert 'SECRET_TOKEN' not in os.environ\nassert os.listdir() == []").passed


@pytest.mark.skipif(os.geteuid() != 0 or not SYSTEM_PYTHON.exists(), reason="there is no root to give up, or no Python")
def test_root_is_given_up_where_others_may_read_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(SYSTEM_PYTHON))
    ids = "assert {os.getuid(), os.geteuid(), os.getgid(), os.getegid()} == {65534}\nassert os.listdir() == []"
    result = run_python("import os, decimal", tests=ids)
    assert result.passed, result.reason
    assert "PermissionError" in run_python("open('/etc/shadow')").reason
    assert "PermissionError" in run_python("import os; open(f'/proc/{os.getppid()}/environ')").reason
