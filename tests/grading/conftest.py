"""What every test that runs code in the sandbox must find in place afterwards."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


def children(process: int | None = None) -> list[str]:
    """Ids of a process's children, zombies included."""
    return [str(child.pid) for child in psutil.Process(process).children()]


@pytest.fixture
def nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "sandboxes"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = children()
    yield
    assert list(folder.iterdir()) == []
    assert set(children()) <= set(before)
