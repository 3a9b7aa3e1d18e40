"""Find something in a sentence; sentences and questions are written in `extraction.yaml`."""

from __future__ import annotations

from random import Random
from string import Template as Text
from typing import Any

from zooter_ray.queries.demo_set import references
from zooter_ray.queries.demo_set.phrasing import load, words
from zooter_ray.queries.demo_set.templates import Item, Template, generated

_LAYOUTS = (
    "$ask\nSentence: $sentence",
    'Read this: "$sentence" $ask',
    "$sentence\n$ask",
    "Text: $sentence\nQuestion: $ask",
)


def templates() -> list[Template]:
    """The templates of the kind."""
    return [_template(search) for search in load("extraction")]


def _template(search: dict[str, Any]) -> Template:
    """The template of one thing to look for: one of its sentences with the slots filled, and one of its questions."""

    def make(rng: Random) -> Item:
        sentence = Text(rng.choice(search["sentences"]))
        slots = _filled(rng, sentence.get_identifiers())
        ask = Text(rng.choice(search["asks"])).substitute(slots)
        query = Text(rng.choice(_LAYOUTS)).substitute(ask=ask, sentence=sentence.substitute(slots))
        return Item(query, references.written(search["check"], slots[search["slot"]]), key=slots[search["slot"]])

    return generated(search["split"], search["rows"], make)._replace(name=search["name"])


def _filled(rng: Random, slots: list[str]) -> dict[str, str]:
    """A value for every slot, no value twice; the slots `name` and `name_2` are filled from the same words."""
    filled: dict[str, str] = {}
    for slot in slots:
        value = slot_value(rng, slot.split("_")[0])
        while value in filled.values():
            value = slot_value(rng, slot.split("_")[0])
        filled[slot] = value
    return filled


def slot_value(rng: Random, slot: str) -> str:
    """A value for one slot: a made-up address, number, date and the like, or a word from the list of that name."""
    first, last = rng.choice(words("name")).lower(), rng.choice(words("surname")).lower()
    made = {
        "number": str(rng.randint(2, 60)),
        "year": str(rng.randint(1950, 2024)),
        "email": f"{first}.{last}@example.{rng.choice(['com', 'org', 'net'])}",
        "website": f"www.{rng.choice(words('thing'))}{rng.choice(words('goods'))}.example",
        "phone": f"555-01{rng.randint(10, 99)}",
        "date": f"{rng.randint(1, 28)} {rng.choice(words('month'))}",
        "time": f"{rng.randint(1, 12)}:{rng.choice(['00', '15', '30', '45'])}",
        "code": f"{rng.choice('ABCDEFGH')}{rng.choice('KLMNPQRS')}-{rng.randint(100, 999)}",
    }
    return made[slot] if slot in made else rng.choice(words(slot))
