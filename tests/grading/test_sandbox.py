"""How generated code passes and fails in the sandbox, and what bounds it."""

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from zooter_ray.errors import SandboxError
from zooter_ray.grading import sandbox
from zooter_ray.grading.sandbox import SandboxLimits, run_python

pytestmark = pytest.mark.usefixtures("nothing_is_left_behind")


def children(process: int | None = None) -> list[str]:
    """Ids of a process's children, zombies included."""
    return [str(child.pid) for child in psutil.Process(process).children()]


def status(process: str) -> str:
    """The kernel's account of a process; empty if there is none."""
    try:
        return Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_correct_code_passes() -> None:
    result = run_python("def add(a, b):\n    return a + b", tests="assert add(1, 2) == 3")
    assert result.passed
    assert result.reason == "passed"


@pytest.mark.parametrize(
    ("code", "tests", "reason"),
    [
        ("def add(a, b):\n    return a - b", "assert add(1, 2) == 3", "AssertionError"),
        ("def add(a, b)", "", "SyntaxError"),
        ("x = 1", "add(1, 2)", "NameError"),
        ("raise KeyboardInterrupt", "", "ended early with exit code 130"),
        ("def f(): return f()\nf()", "", "RecursionError"),
        ("x = 1\0", "", "null bytes"),
        ("x = '\ud800'", "", "surrogates"),
        ("input()", "", "EOFError"),
    ],
)
def test_a_failure_says_why(code: str, tests: str, reason: str) -> None:
    result = run_python(code, tests=tests)
    assert not result.passed
    assert reason in result.reason


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(0)",
        "raise SystemExit",
        "import os; os._exit(0)",
        "import os; print('ready'); print('passed', flush=True); os._exit(0)",
        "import os; os.write(1, b'passed'); os._exit(0)",
        "import atexit, sys; atexit.register(print, 'passed'); sys.exit(0)",
        "import os; os.abort()",
        "import os; os.close(1); os.close(2)",
        "import os; os.closerange(0, 1000)",
        "import ctypes; ctypes.string_at(0)",
        "import builtins; builtins.exec = lambda *arguments: None",
        "import builtins; builtins.compile = lambda *arguments, **options: 'pass'",
        "import sys; sys.excepthook = lambda *arguments: None",
    ],
)
def test_code_cannot_pass_by_leaving_early_or_by_printing(code: str) -> None:
    assert not run_python(code, tests="assert False").passed


def test_functions_that_leave_during_the_tests_do_not_pass() -> None:
    code = "import os, sys\ndef soft(): sys.exit(0)\ndef hard(): os._exit(0)"
    assert not run_python(code, tests="soft()").passed
    assert not run_python(code, tests="hard()").passed


def test_code_that_replaces_system_functions_still_passes_its_tests() -> None:
    assert run_python("import os\nos.write = os.read = os._exit = None\nx = 1", tests="assert x == 1").passed


def test_a_busy_loop_runs_out_of_cpu_time() -> None:
    result = run_python("while True: pass", SandboxLimits(cpu_seconds=1))
    assert not result.passed
    assert result.reason == "killed by SIGXCPU"


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.sleep(1000)",
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import sys\nwhile True: sys.stdout.flush()",
    ],
)
def test_endless_code_is_killed_in_time(code: str) -> None:
    start = time.monotonic()
    result = run_python(code, SandboxLimits(wall_seconds=0.8))
    assert not result.passed
    assert result.reason == "timed out after 0.8 s"
    assert time.monotonic() - start < 3


def test_code_dies_with_a_parent_that_is_killed() -> None:
    program = (
        "from zooter_ray.grading.sandbox import SandboxLimits, run_python\n"
        "run_python('import time; time.sleep(60)', SandboxLimits(wall_seconds=60))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    wait_for(lambda: any("Seccomp:\t2" in status(child) for child in children(parent.pid)))
    (child,) = children(parent.pid)
    parent.kill()
    parent.wait()
    wait_for(lambda: status(child) == "" or "State:\tZ" in status(child))


def test_a_memory_bomb_fails() -> None:
    result = run_python("x = [0]\nwhile True: x += x", SandboxLimits(memory_mb=128))
    assert not result.passed
    assert result.reason == "MemoryError"


def test_giant_output_is_capped() -> None:
    result = run_python("while True: print('x' * 10_000)", SandboxLimits(output_kb=16))
    assert not result.passed
    assert result.reason == "printed more than 16 kB"


def test_modest_output_is_no_failure() -> None:
    assert run_python("print('x' * 10_000)").passed


def test_a_reason_is_short() -> None:
    assert len(run_python("raise ValueError('x' * 10_000)").reason) <= 200


@pytest.mark.parametrize(
    "modules",
    [
        "math, re, collections, itertools, functools, string, typing, heapq, bisect",
        "datetime, random, json, statistics, decimal, fractions, dataclasses, enum, hashlib",
        "collections.abc, xml.etree.ElementTree, urllib.parse, concurrent.futures, unittest",
    ],
)
def test_common_imports_work(modules: str) -> None:
    assert run_python(f"import {modules}") == sandbox.SandboxResult(True, "passed")


def test_common_computations_work() -> None:
    code = """
import dataclasses, datetime, random, time

@dataclasses.dataclass
class Point:
    x: "int"

def work():
    time.sleep(0.001)
    return Point(random.randint(0, 9)), datetime.datetime.now(), print("é"), sorted(range(10**5))
"""
    assert run_python(code, tests="assert work()[0].x < 10").passed


def test_runs_are_independent_of_each_other() -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: run_python(f"x = {n}", tests="assert x % 2 == 0"), range(8)))
    assert [result.passed for result in results] == [True, False] * 4


def test_nothing_runs_without_the_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "build_filter", lambda system, machine: b"\0" * 8)
    with pytest.raises(SandboxError, match=r"could not protect itself: OSError: .*prctl"):
        run_python("x = 1")


def test_a_missing_interpreter_is_an_error_of_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(SandboxError, match="could not be started"):
        run_python("x = 1")


@pytest.mark.parametrize("limits", [{"wall_seconds": 0}, {"cpu_seconds": 0}, {"memory_mb": 1}, {"speed": 1}])
def test_nonsensical_limits_are_refused(limits: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        SandboxLimits.model_validate(limits)


def test_a_run_is_quick() -> None:
    start = time.perf_counter()
    for _ in range(5):
        run_python("x = 1")
    # Around 35 ms each on an idle core; the bound only catches a change for the worse.
    assert (time.perf_counter() - start) / 5 < 0.5
