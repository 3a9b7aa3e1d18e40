"""Stage 3, scoring: every response x every reward model -> `rewards`, one unit per reward model and expert.

pointwise   models that reward responses one by one
judging     judges: LLMs that are asked for a rating
comparing   pair rankers, whose comparisons are units of their own, so that another expert adds its pairs and no others
"""

from collections.abc import Mapping

from rich.console import Console

from zooter_ray.artifacts import Unit, is_complete, make_unit
from zooter_ray.config.scoring import ScoringConfig
from zooter_ray.resources import Check, least, least_of_engine, unchecked
from zooter_ray.stages.scoring import comparing, judging, pointwise
from zooter_ray.stages.scoring.rows import STAGE

__all__ = ["STAGE", "run", "units"]


def units(config: ScoringConfig, responses: Mapping[str, Unit], run_dir: str) -> dict[str, dict[str, Unit]]:
    """The unit of each reward model and expert."""
    return {
        model.id: comparing.units(model, responses, run_dir)
        if model.kind == "pair_ranker"
        else {
            expert: make_unit(run_dir, STAGE, f"{model.id}/{expert}", model.identity(), [unit])
            for expert, unit in responses.items()
        }
        for model in config.reward_models
    }


def run(
    config: ScoringConfig, responses: Mapping[str, Unit], run_dir: str, console: Console, check: Check = unchecked
) -> dict[str, dict[str, Unit]]:
    """Score what is missing; returns the complete units by reward model and expert.

    Raises:
        ConfigError: if a reward model asks for what `check` says can never be had.
    """
    all_units = units(config, responses, run_dir)
    for model in config.reward_models:
        todo = {expert: unit for expert, unit in all_units[model.id].items() if not is_complete(unit)}
        theirs = {expert: responses[expert] for expert in todo}
        if not todo:
            continue
        asked = least_of_engine(model.engine) if model.kind == "generative" else least(model.resources)
        check({f"resources of reward model {model.id}": asked})
        if model.kind == "pair_ranker":
            comparing.run(model, responses, todo, config.block_rows, run_dir, console)
        elif model.kind == "generative":
            judging.run(model, theirs, todo, console)
        else:
            pointwise.run(model, theirs, todo, config.block_rows, console)
    return all_units
