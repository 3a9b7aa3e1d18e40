"""Frozen settings models, one file per stage, and the one way to read them."""

from zooter_ray.config.load import apply_overrides, dump_config, load_config, read_yaml, validate
from zooter_ray.config.run import RunConfig

__all__ = ["RunConfig", "apply_overrides", "dump_config", "load_config", "read_yaml", "validate"]
