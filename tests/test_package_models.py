"""Models that come as Python packages."""

import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from zooter_ray import package_models
from zooter_ray.errors import ConfigError
from zooter_ray.package_models import (
    CONVERSION,
    PACKAGE_MODELS,
    PackageModel,
    cache_dir,
    is_unpacked,
    licence_of,
    resolve_source,
)


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("config.json", "{}")
        file.writestr("onnx/model.txt", "weights")
    return content.getvalue()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOOTER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, sha256: str | None = None) -> PackageModel:
    """A package with a zipped model, importable, but with an `__init__` that must not be run."""
    package = tmp_path / "packages" / module
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('this package needs what is not installed')\n")
    (package / "model.zip").write_bytes(archive())
    monkeypatch.syspath_prepend(str(package.parent))
    digest = sha256 or hashlib.sha256(archive()).hexdigest()
    model = PackageModel("tiny-model", module, "MIT", digest, package_models._unzip)
    monkeypatch.setitem(PACKAGE_MODELS, "tiny", model)
    return model


def test_a_package_is_unpacked_once_into_a_directory_named_by_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    model = install(tmp_path, monkeypatch, "tiny_model_package")
    assert not is_unpacked("package:tiny")
    directory = Path(resolve_source("package:tiny"))
    assert is_unpacked("package:tiny")
    assert directory == cache / f"tiny-{model.sha256[:12]}-{CONVERSION}"
    assert (directory / "onnx" / "model.txt").read_text() == "weights"
    (directory / "config.json").write_text('{"unpacked": "before"}')
    assert resolve_source("package:tiny") == str(directory)
    assert (directory / "config.json").read_text() == '{"unpacked": "before"}'
    assert list(cache.iterdir()) == [directory]


def test_a_package_with_another_checksum_is_refused_and_never_becomes_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    install(tmp_path, monkeypatch, "tiny_model_package_with_a_flaw", sha256="0" * 64)
    with pytest.raises(ConfigError, match=r"model\.zip has sha256 .*, not 000000000000…; install its package again"):
        resolve_source("package:tiny")
    assert not (cache / f"tiny-{'0' * 12}").exists()


def test_a_package_that_is_not_installed_is_named_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    model = PackageModel("tiny-model", "tiny_model_that_nobody_has", "MIT", "0" * 64, package_models._unzip)
    monkeypatch.setitem(PACKAGE_MODELS, "tiny", model)
    with pytest.raises(ConfigError, match="package tiny-model is not installed: pip install tiny-model"):
        resolve_source("package:tiny")


def test_an_unknown_package_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no packaged model is called 'nothing'; there are: smollm2-135m-instruct, "):
        resolve_source("package:nothing")
    with pytest.raises(ConfigError, match="no packaged model is called 'nothing'"):
        licence_of("package:nothing")


def test_names_on_a_hub_and_uris_stay_as_they_are() -> None:
    for source in ("gpt2", "microsoft/mdeberta-v3-base", "s3://bucket/models/router"):
        assert resolve_source(source) == source
        assert licence_of(source) is None


def test_a_path_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve_source(str(tmp_path)) == str(tmp_path)
    for missing in (str(tmp_path / "nothing"), "./nothing", "~/nothing", "models/of/mine"):
        with pytest.raises(ConfigError, match=rf"^model path {missing} does not exist$"):
            resolve_source(missing)
    monkeypatch.setenv("HOME", str(tmp_path.parent))
    assert resolve_source(f"~/{tmp_path.name}") == str(tmp_path)


def test_every_packaged_model_has_a_licence_to_be_shown_and_a_checksum() -> None:
    for name, model in PACKAGE_MODELS.items():
        assert licence_of(f"package:{name}")
        assert len(model.sha256) == 64


def test_the_cache_is_in_the_home_directory_unless_said_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ZOOTER_CACHE", raising=False)
    assert cache_dir() == tmp_path / ".cache" / "zooter_ray"
    monkeypatch.setenv("ZOOTER_CACHE", str(tmp_path / "elsewhere"))
    assert cache_dir() == tmp_path / "elsewhere"
