"""What may be written where: nothing of somebody else's is replaced, and no two processes work in one directory."""

import errno
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from zooter_ray.artifacts import writing
from zooter_ray.errors import ArtifactError
from zooter_ray.router.directory import ZOOTER_JSON

LOCK = ".lock"


def check_free(target: Path, overwrite: bool) -> None:
    """Refuse an output in the way; what is overwritten must be a router directory."""
    with writing(str(target)):
        if target.is_mount():
            raise ArtifactError(f"{target} is a mount point, which nothing can take the place of; choose one in it")
        if not target.exists() or (target.is_dir() and not any(target.iterdir())):
            return
    if not overwrite:
        raise ArtifactError(f"{target} exists already; choose another --output or give --overwrite")
    if not (target / ZOOTER_JSON).is_file():
        raise ArtifactError(f"{target} is no router directory and is not overwritten; choose another --output")


def check_ours(work: Path, names: Collection[str]) -> None:
    """Refuse a scratch directory, which is removed in the end, with anything but these names in it."""
    strange = sorted(path.name for path in work.iterdir() if path.name not in names) if work.is_dir() else []
    if strange:
        raise ArtifactError(f"{work} would be worked in and removed, but holds {strange[0]}; move that away first")


def _acquire(lock: FileLock, directory: str) -> None:
    try:
        lock.acquire()
    except Timeout:
        raise ArtifactError(f"another process is at work in {directory}; wait for its end, or choose another") from None
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP):
            raise


@contextmanager
def alone_in(directory: str) -> Iterator[None]:
    """Keep other processes of this project out of a directory, if it is a local one whose files can have locks.

    Raises:
        ArtifactError: if one is at work there.
    """
    if "://" in directory:
        yield
        return
    # No other kind of lock in its place: it would outlive a process that was killed.
    lock = FileLock(Path(directory) / LOCK, timeout=0, fallback_to_soft=False)
    with writing(directory):
        Path(directory).mkdir(parents=True, exist_ok=True)
        _acquire(lock, directory)
    try:
        yield
    finally:
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
            Path(directory).rmdir()  # nothing is left of what failed before it began
        lock.release()
