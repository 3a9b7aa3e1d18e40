"""Written data of the demo set, and the many ways to say in which form the answer is wanted."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import yaml

NUMBER_FORMS = (
    "Answer with the number only.",
    "Reply with just the number.",
    "Give only the number.",
    "Your answer should be a single number.",
    "Write only the result as a number.",
    "",
)
WORD_FORMS = (
    "Answer with one word.",
    "Reply with a single word.",
    "Just the word, please.",
    "Give only the word.",
    "Write one word and nothing else.",
)
TEXT_FORMS = (
    "Write only the result.",
    "Reply with the result only.",
    "Give just the answer.",
    "Answer with nothing but the result.",
)


@cache
def load(name: str) -> Any:
    """The content of `<name>.yaml` of this package."""
    return yaml.safe_load(files("zooter_ray.queries.demo_set").joinpath(f"{name}.yaml").read_text(encoding="utf-8"))


def words(name: str) -> list[str]:
    """A list of words from `words.yaml`."""
    return list(load("words")[name])


def pairs(name: str) -> list[tuple[str, str]]:
    """A mapping from `words.yaml`, as (word, form) pairs."""
    return list(load("words")[name].items())


def with_form(rng: Random, query: str, forms: tuple[str, ...]) -> str:
    """The query, followed by one of the forms."""
    return f"{query} {rng.choice(forms)}".strip()
