"""What the application is built from: a router directory, the expert pool, and the service's settings."""

from typing import Self

from pydantic import Field, model_validator

from zooter_ray.artifacts import absolute, file_system, moved, read_json
from zooter_ray.config import load_config
from zooter_ray.config.base import Config
from zooter_ray.config.generation import ExpertConfig, GenerationConfig
from zooter_ray.config.serving import ServingConfig, check_capacities
from zooter_ray.errors import ConfigError
from zooter_ray.experts import expert_ids
from zooter_ray.router.directory import RouterCard, check_pool, local_copy, read_card


class ServeArgs(Config):
    """Arguments of `serve_app.app:build_app`.

    The pool and the settings come from a run's YAML (`config`), or are written out (`experts`, `serving`).
    """

    router: str | None = Field(
        None, description="router directory, local or a URI that every node sees; null: that of the config's run"
    )
    config: str | None = Field(None, description="a run's YAML, whose generation and serving sections are used")
    experts: list[ExpertConfig] = Field(default_factory=list)
    serving: ServingConfig | None = None

    @model_validator(mode="after")
    def _one_pool(self) -> Self:
        if (self.config is None) == (not self.experts):
            raise ValueError("give either `config`, a run's YAML, or `experts`")
        if self.serving is not None and self.experts:
            check_capacities(self.serving, self.experts)
        return self

    def router_directory(self) -> str:
        """The router directory, absolute if it is local.

        Raises:
            ConfigError: if none is named and the config's run has made none.
        """
        if self.router is not None:
            return absolute(self.router)
        if self.config is None:
            raise ConfigError("give `router`, since there is no `config` whose run has made one")
        return router_of_run(load_config(self.config).run_dir)

    def router_card(self) -> RouterCard:
        """What the router was made from.

        Raises:
            ArtifactError: if it routes to another pool.
        """
        router = self.router_directory()
        with local_copy(router) as directory:
            card = read_card(directory)
        check_pool(card, expert_ids(self.pool()), router, "the service")
        return card

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


def router_of_run(run_dir: str) -> str:
    """The router directory that a run has made.

    Raises:
        ConfigError: if it has made none.
    """
    path = f"{absolute(run_dir)}/run.json"
    fs, inner = file_system(path)
    router = read_json(path).get("training") if fs.exists(inner) else None
    if router is None:
        raise ConfigError(f"the run in {absolute(run_dir)} has no router yet; run it first, or name a router directory")
    return moved(router, absolute(run_dir))
