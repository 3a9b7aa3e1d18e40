"""zooter_ray: reward-guided routing of queries to the best of several LLMs, on Ray.

import zooter_ray
zooter_ray.distil("outcomes.jsonl", "router")
zooter_ray.route("router", ["What is 2 + 2?"])
router = zooter_ray.load_router("router"); router(["..."])  # probabilities, one row per query
zooter_ray.run("jobs/configs/demo.yaml")
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zooter_ray.pipeline import RunResult
    from zooter_ray.router.predictor import RouterPredictor

__all__ = ["distil", "load_router", "route", "run"]


def run(config: str | Path, overrides: Iterable[str] = ()) -> "RunResult":
    """Run every stage of a config (with `a.b=value` overrides), skipping what is complete; returns the paths made."""
    from zooter_ray import pipeline
    from zooter_ray.config import load_config
    from zooter_ray.progress import new_console

    return pipeline.run(load_config(config, overrides), new_console())


def distil(
    outcomes: str | Path, output: str | Path, config: str | Path | None = None, overrides: Iterable[str] = ()
) -> "RouterPredictor":
    """Distil a router from an outcomes file into a directory, and load it."""
    from zooter_ray import pipeline
    from zooter_ray.artifacts import absolute
    from zooter_ray.config import load_distill_config
    from zooter_ray.progress import new_console

    pipeline.distill(str(outcomes), str(output), load_distill_config(config, overrides), new_console())
    return load_router(absolute(str(output)))


def load_router(directory: str | Path) -> "RouterPredictor":
    """A router, ready to be called with queries; it returns probabilities (Q, M)."""
    from zooter_ray.router.predictor import RouterPredictor

    return RouterPredictor(directory)


def route(router: "str | Path | RouterPredictor", queries: Sequence[str]) -> list[str]:
    """The expert that each query goes to."""
    predictor = load_router(router) if isinstance(router, str | Path) else router
    return [predictor.experts[choice] for choice in predictor(queries).argmax(axis=1)]
