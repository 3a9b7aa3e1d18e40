"""What may be written where, and who is there alone."""

import errno
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zooter_ray.errors import ArtifactError
from zooter_ray.outputs import LOCK, alone_in, check_free, check_ours


def test_two_processes_do_not_work_in_one_directory(tmp_path: Path) -> None:
    refused: list[str] = []

    def other() -> None:
        try:
            with alone_in(str(tmp_path / "run")):
                refused.append("nobody")
        except ArtifactError as error:
            refused.append(str(error))

    with alone_in(str(tmp_path / "run")):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert refused[0].startswith(f"another process is at work in {tmp_path}/run")
    assert refused[1] == "nobody"


def test_a_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = f"import os; from zooter_ray.outputs import alone_in\nwith alone_in({str(tmp_path)!r}): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert (tmp_path / LOCK).exists()
    with alone_in(str(tmp_path)):
        pass


def test_nothing_is_left_of_what_wrote_nothing_and_the_rest_stays(tmp_path: Path) -> None:
    with alone_in(str(tmp_path / "empty")), alone_in(str(tmp_path / "full")):
        (tmp_path / "full" / "labels").touch()
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == ["full", "full/labels"]


def test_where_no_file_has_locks_work_goes_on_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, "no locks here")

    monkeypatch.setattr("fcntl.flock", refuse)
    with alone_in(str(tmp_path)), alone_in(str(tmp_path)):
        pass


def test_a_directory_at_a_uri_is_not_watched() -> None:
    with alone_in("s3://bucket/run"), alone_in("s3://bucket/run"):
        pass


def test_a_scratch_directory_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    check_ours(tmp_path / "missing", {"04_labels"})
    (tmp_path / "04_labels").mkdir()
    check_ours(tmp_path, {"04_labels"})
    (tmp_path / "notes.md").touch()
    with pytest.raises(ArtifactError, match=r"would be worked in and removed, but holds notes\.md"):
        check_ours(tmp_path, {"04_labels"})


def test_a_name_that_no_file_can_have_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"the name is too long$"):
        check_free(tmp_path / ("x" * 300), overwrite=False)
