"""What the application is built from: a router directory, the expert pool, and the service's settings."""

from typing import Self

from pydantic import Field, model_validator

from zooter_ray.config import load_config
from zooter_ray.config.base import Config
from zooter_ray.config.generation import ExpertConfig, GenerationConfig
from zooter_ray.config.serving import ServingConfig
from zooter_ray.errors import ConfigError


class ServeArgs(Config):
    """Arguments of `serve_app.app:build_app`.

    The pool and the settings come from a run's YAML (`config`), or are written out (`experts`, `serving`).
    """

    router: str = Field(description="router directory, local or a URI that every node sees")
    config: str | None = Field(None, description="a run's YAML, whose generation and serving sections are used")
    experts: list[ExpertConfig] = Field(default_factory=list)
    serving: ServingConfig | None = None

    @model_validator(mode="after")
    def _one_pool(self) -> Self:
        if (self.config is None) == (not self.experts):
            raise ValueError("give either `config`, a run's YAML, or `experts`")
        return self

    def pool(self) -> GenerationConfig:
        """The experts, checked as a pool."""
        if self.config is not None:
            return load_config(self.config).generation
        return GenerationConfig(experts=self.experts)

    def settings(self) -> ServingConfig:
        """The service's settings; those written out win over the YAML's."""
        if self.serving is not None:
            return self.serving
        return load_config(self.config).serving if self.config is not None else ServingConfig()


def check_pools_match(router_experts: list[str], pool: GenerationConfig, router: str) -> None:
    """Refuse a router of another pool."""
    ids = [expert.id for expert in pool.experts]
    if sorted(router_experts) != sorted(ids):
        raise ConfigError(
            f"router {router} routes to {', '.join(router_experts)}, but the experts to serve are {', '.join(ids)}"
        )
