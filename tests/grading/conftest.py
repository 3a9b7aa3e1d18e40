"""What every test that runs code in the sandbox must find in place afterwards."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


def children(process: int | str = "self") -> list[str]:
    """Ids of a process's children, zombies included."""
    tasks = Path(f"/proc/{process}/task").iterdir()
    return [child for task in tasks for child in (task / "children").read_text().split()]


@pytest.fixture
def nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "sandboxes"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = children()
    yield
    assert list(folder.iterdir()) == []
    assert set(children()) <= set(before)
