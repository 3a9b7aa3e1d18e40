"""The router directory: a Hugging Face checkpoint plus `zooter.json`, which says what the router was made from."""

import json
import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx2  # what hf:// is reached by

from zooter_ray.artifacts import file_system
from zooter_ray.config.training import Side
from zooter_ray.errors import ArtifactError, one_line

ZOOTER_JSON = "zooter.json"
BASELINES_FILE = "baselines.npz"
ONNX_FILE = "router.onnx"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class RouterCard:
    """Content of zooter.json."""

    experts: list[str]
    loss: str
    beta: float
    temperature: float
    pooling: str
    max_length: int
    truncation_side: Side
    calibration: dict[str, Any] | None  # `temperature`, `at_bound`, `rows`, `ece_before`, `ece_after`: stages/training
    data_fingerprint: str
    versions: dict[str, str]
    validation: dict[str, Any]  # figures of the chosen epoch before caution, and `epochs`: those of all
    baselines: dict[str, Any]  # training means of every expert: `overall`, `per_source`, `per_tag`; the embedder
    same_weights: dict[str, str] = field(default_factory=dict)  # expert -> the expert whose weights it shares
    caution: dict[str, Any] | None = None  # `expert`, `share`, `bias` before calibration, `validation_value` with it
    onnx: dict[str, Any] | None = None  # how router.onnx is called: `inputs`, `outputs`, `opset`, `file`
    parameters: int | None = None  # without the embedding matrix
    labeling: dict[str, Any] = field(default_factory=dict)  # all settings of the labels
    training: dict[str, Any] = field(default_factory=dict)  # all settings of the distillation
    format_version: int = FORMAT_VERSION

    def to_json(self) -> dict[str, Any]:
        """The card as plain JSON values."""
        return asdict(self)


def read_card(directory: str | Path) -> RouterCard:
    """Read and check zooter.json.

    Raises:
        ArtifactError: if the directory is no router directory, is of a later format, or its parts disagree about the
            experts.
    """
    root = Path(directory)
    for name in (ZOOTER_JSON, "config.json"):
        if not (root / name).is_file():
            raise ArtifactError(f"{directory} is no router directory: it has no {name}")
    content = _read_json(root / ZOOTER_JSON)
    if (version := content.get("format_version", FORMAT_VERSION)) != FORMAT_VERSION:
        raise ArtifactError(
            f"{root / ZOOTER_JSON} has format {version}, this zooter_ray reads format {FORMAT_VERSION}; install the "
            "version that wrote it, or distil again"
        )
    known = {name: content[name] for name in RouterCard.__dataclass_fields__ if name in content}
    try:
        card = RouterCard(**known)
    except TypeError as error:
        raise ArtifactError(f"{root / ZOOTER_JSON} lacks a key: {error}") from None
    # transformers leaves out names that are those of its default: two classes, LABEL_0 and LABEL_1.
    labels = _read_json(root / "config.json").get("id2label", {"0": "LABEL_0", "1": "LABEL_1"})
    if [labels[key] for key in sorted(labels, key=int)] != card.experts:
        raise ArtifactError(f"{directory}: config.json and {ZOOTER_JSON} name different experts")
    return card


@contextmanager
def local_copy(directory: str | Path) -> Iterator[Path]:
    """The directory itself if it is on this machine, else a copy of it for as long as the context lasts.

    Raises:
        ArtifactError: if it cannot be reached.
    """
    if "://" not in str(directory):
        yield Path(directory)
        return
    with tempfile.TemporaryDirectory() as scratch:
        try:
            _download(str(directory), Path(scratch))
        except (OSError, ValueError, ImportError, httpx2.TransportError) as error:
            reason = one_line(error)
            raise ArtifactError(f"router directory {directory} cannot be read: {reason}") from None
        yield Path(scratch)


def _download(uri: str, target: Path) -> None:
    """Copy the files of a directory at a URI, but not its subdirectories."""
    fs, path = file_system(uri)
    for found in fs.ls(path, detail=False):
        if fs.isfile(found):
            Path(target, posixpath.basename(found)).write_bytes(fs.cat_file(found))


def read_card_of(directory: str | Path) -> RouterCard:
    """`read_card` of a directory on this machine or at a URI."""
    with local_copy(directory) as local:
        return read_card(local)


def read_baseline_arrays(directory: str | Path) -> bytes | None:
    """Content of the file of arrays that baselines need; None if it was not copied with the router."""
    fs, path = file_system(posixpath.join(str(directory), BASELINES_FILE))
    content: bytes | None = fs.cat_file(path) if fs.exists(path) else None
    return content


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ArtifactError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(content, dict):
        raise ArtifactError(f"{path} must hold a JSON object")
    return content


def check_pool(card: RouterCard, experts: Sequence[str], directory: str | Path, other: str) -> None:
    """Refuse a router of another pool."""
    if sorted(card.experts) != sorted(experts):
        raise ArtifactError(
            f"router {directory} routes to {', '.join(card.experts)}, but {other} has the experts {', '.join(experts)}"
        )
