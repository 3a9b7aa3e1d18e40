"""Frozen settings models, one file per stage, and the one way to read them."""

from zooter_ray.config.benchmarks import BenchmarksConfig
from zooter_ray.config.load import dump_config, load_benchmarks_config, load_config, load_distill_config
from zooter_ray.config.run import DistillConfig, RunConfig

__all__ = [
    "BenchmarksConfig",
    "DistillConfig",
    "RunConfig",
    "dump_config",
    "load_benchmarks_config",
    "load_config",
    "load_distill_config",
]
