"""The expert pool: which experts there are, in which order, and which of them share an engine."""

from zooter_ray.config.generation import Engine, ExpertConfig, GenerationConfig


def expert_ids(config: GenerationConfig) -> list[str]:
    """Ids in pool order, which is the class order of the router."""
    return [expert.id for expert in config.experts]


def engine_of(config: GenerationConfig, expert: ExpertConfig) -> Engine:
    """The engine that runs an expert: its own, or that of the expert whose weights it shares."""
    by_id = {candidate.id: candidate for candidate in config.experts}
    engine = expert.engine or by_id[expert.same_weights_as or expert.id].engine
    assert engine is not None, "checked by GenerationConfig"
    return engine


def engine_groups(config: GenerationConfig) -> list[tuple[Engine, list[ExpertConfig]]]:
    """Experts by the engine that they share, in pool order; each engine is started once."""
    groups: dict[str, tuple[Engine, list[ExpertConfig]]] = {}
    for expert in config.experts:
        owner = expert.same_weights_as or expert.id
        groups.setdefault(owner, (engine_of(config, expert), []))[1].append(expert)
    return list(groups.values())


def shown_name(config: GenerationConfig, expert_id: str) -> str:
    """The expert's id, with a mark where it is no model of its own."""
    by_id = {expert.id: expert for expert in config.experts}
    return marked_name(expert_id, by_id[expert_id].same_weights_as)


def marked_name(expert_id: str, base: str | None) -> str:
    """An expert's id, marked if it shares the weights of `base`."""
    return expert_id if base is None else f"{expert_id} (same weights as {base})"


def shown_names(config: GenerationConfig) -> dict[str, str]:
    """`shown_name` of every expert."""
    return {expert.id: shown_name(config, expert.id) for expert in config.experts}
