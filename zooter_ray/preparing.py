"""Every model of a run is found before anything is spent: a package is converted, once, and its licence named."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from transformers import AutoConfig

from zooter_ray.config import BenchmarksConfig, RunConfig
from zooter_ray.config.generation import GenerationConfig, VllmEngine
from zooter_ray.config.queries import QueriesConfig, Tagger
from zooter_ray.errors import ConfigError, one_line
from zooter_ray.experts import engine_of
from zooter_ray.package_models import is_unpacked, licence_of, resolve_source
from zooter_ray.tokenizers import load_tokenizer


def prepare_models(config: RunConfig, console: Console) -> None:
    """Find every model of a run.

    Raises:
        ConfigError: for a path that does not exist, or gated weights without a token.
    """
    check_secrets(_users(config), config.training.backbone)
    scorers = {model.id: source_of(model) for model in config.scoring.reward_models}
    encoders = {"router backbone": config.training.backbone, "embedder": config.training.embedder or ""}
    taggers, experts = _tagging_sources(config.queries, config.labeling.tagger), _expert_sources(config.generation)
    prepare({**taggers, **experts, **scorers, **encoders}, console)
    check_templates(config.generation)


def prepare_serving(config: RunConfig, console: Console) -> None:
    """Find the experts' models before a service is started; see prepare_models."""
    os.environ.update(config.ray.env_vars)
    check_secrets(_users(config), config.training.backbone)
    prepare(_expert_sources(config.generation), console)


def prepare_benchmarks(config: BenchmarksConfig, console: Console) -> None:
    """Find the models of experts, judge and reward models; see prepare_models."""
    pool = config.generation if config.answered else None
    others = [*([config.judge] if config.judged and config.judge else []), *config.reward_models]
    users = [getattr(one, "engine", None) for one in (*(pool.experts if pool else ()), *others)]
    check_secrets([*users, *config.reward_models], "the reward model")
    prepare({**(_expert_sources(pool) if pool else {}), **{one.id: source_of(one) for one in others}}, console)
    if pool is not None:
        check_templates(pool)


def check_templates(config: GenerationConfig) -> None:
    """Refuse an expert without a chat template of its own whose tokenizer brings none along, as those of base models.

    Raises:
        ConfigError: naming it.
    """
    for expert in config.experts:
        engine = engine_of(config, expert)
        if isinstance(engine, VllmEngine) and expert.chat_template is None:
            try:
                tokenizer = load_tokenizer(resolve_source(engine.source))
            except (OSError, ValueError) as error:
                raise ConfigError(f"expert {expert.id}: no tokenizer in {engine.source}: {one_line(error)}") from None
            if tokenizer.chat_template is None:
                raise ConfigError(f"expert {expert.id}: {engine.source} brings no chat template; give chat_template")


def _expert_sources(config: GenerationConfig) -> dict[str, str]:
    engines = {expert.id: expert.engine for expert in config.experts}
    return {user: engine.source for user, engine in engines.items() if isinstance(engine, VllmEngine)}


def source_of(user: Any) -> str:
    """The weights that a tagger or a reward model loads on this cluster; empty if it has none."""
    return str(
        getattr(user, "source", "")
        or getattr(user, "embedder", "")
        or getattr(getattr(user, "engine", None), "source", "")
    )


def _tagging_sources(config: QueriesConfig, other: Tagger | None) -> dict[str, str]:
    """Models that tag queries and merge tags."""
    sources = {"tagger": source_of(config.tagger), "tagger of labels": source_of(other)}
    if config.tags.merge_similarity is not None:
        sources["embedder of tags"] = config.tags.embedder
    return sources


def prepare(sources: Mapping[str, str], console: Console) -> None:
    """Find the models of these users, by what they are for; a source that is empty stands for none."""
    for user, source in sources.items():
        if licence := licence_of(source):
            console.print(f"{user}: {source}, licence {licence}", highlight=False, soft_wrap=True)
            if not is_unpacked(source):
                console.print("  converting it, once, into the model cache", highlight=False)
        if source:
            check_model(user, source)


def check_model(user: str, source: str) -> None:
    """Read a model's configuration, which tells at little cost that the model is there."""
    try:
        AutoConfig.from_pretrained(resolve_source(source))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{user}: model {source} cannot be loaded: {one_line(error)}") from None


def _users(config: RunConfig) -> list[Any]:
    """Whatever of a run loads weights or asks an endpoint."""
    models = config.scoring.reward_models
    asked = [*config.generation.experts, config.queries.tagger, config.labeling.tagger, *models]
    return [*(getattr(one, "engine", None) for one in asked), *models, config.training]


def check_secrets(users: Iterable[Any], backbone: str) -> None:
    """Refuse gated weights without a token and endpoints without a key, before a cluster is kept busy."""
    for user in users:
        for setting, what in (("token_env", "a token that may read its gated weights"), ("api_key_env", "an API key")):
            name = getattr(user, setting, None)
            if name is not None and not os.environ.get(name):
                source = getattr(user, "source", None) or getattr(user, "base_url", None) or backbone
                raise ConfigError(f"{source} needs {what} in the environment variable {name}")
