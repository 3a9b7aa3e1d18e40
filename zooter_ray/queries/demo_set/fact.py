"""Famous facts, grouped by relation in `fact.yaml`; a relation is a template."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from string import Template as Text
from typing import Any

from zooter_ray.queries.demo_set import references
from zooter_ray.queries.demo_set.phrasing import load
from zooter_ray.queries.demo_set.templates import Item, Template


def templates() -> list[Template]:
    """The templates of the kind."""
    return [_template(relation) for relation in load("fact")]


def _template(relation: dict[str, Any]) -> Template:
    """The template of one relation: each fact at most once, asked in one of the relation's ways."""

    def items(rng: Random) -> Iterator[Item]:
        facts = list(relation["facts"].items())
        for subject, answer in rng.sample(facts, len(facts)):
            query = Text(rng.choice(relation["asks"])).substitute(subject=subject)
            yield Item(query, references.written(relation["check"], answer))

    return Template(relation["name"], relation["split"], relation["rows"], items)
