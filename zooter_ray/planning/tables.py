"""The committed tables: what GPUs can do, and how large the models are that the configs name."""

import difflib
import functools
import importlib.resources
from dataclasses import dataclass
from typing import Any

import yaml

from zooter_ray.errors import ConfigError


@dataclass(frozen=True)
class Gpu:
    """What one device can do at most."""

    name: str
    half_tflops: float  # dense, bf16 or fp16
    single_tflops: float  # fp32
    memory_gb: float
    bandwidth_gb_s: float

    def peak(self, bytes_per_parameter: float) -> float:
        """FLOP/s at a precision: fp32 if a parameter takes four bytes, else half precision."""
        return 1e12 * (self.single_tflops if bytes_per_parameter >= 4 else self.half_tflops)

    @property
    def memory(self) -> float:
        """Bytes."""
        return self.memory_gb * 1e9

    @property
    def bandwidth(self) -> float:
        """Bytes per second."""
        return self.bandwidth_gb_s * 1e9


def gpu_named(name: str) -> Gpu:
    """A row of the table of GPUs.

    Raises:
        ConfigError: naming the known ones and the nearest.
    """
    known = table("gpus")
    if name not in known:
        nearest = max(known, key=lambda row: _likeness(row.lower(), name.lower()))
        raise ConfigError(f"no GPU is called {name!r}; did you mean {nearest}? There are: {', '.join(known)}")
    return Gpu(name, **known[name])


def _likeness(row: str, name: str) -> tuple[bool, float]:
    return row.startswith(name), difflib.SequenceMatcher(None, row, name).ratio()


@functools.cache
def table(name: str) -> dict[str, Any]:
    """gpus.yaml or models.yaml."""
    text = importlib.resources.files("zooter_ray.planning").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    rows: dict[str, Any] = yaml.safe_load(text)
    return rows
