"""Templates, the items that they yield, and the rows that items become."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any, Literal, NamedTuple

Split = Literal["train", "eval"]
_DRAWS_PER_ROW = 100  # a generated template repeats itself by chance; this is when to give up


class Item(NamedTuple):
    """One query and the reference that its responses are graded against."""

    query: str
    reference: dict[str, Any]
    key: str = ""  # what is asked, without how: of items with one key a template keeps the first; "" is the query


class Template(NamedTuple):
    """One structure of query: its split, how many rows it gives, and its items in an order drawn by the generator."""

    name: str
    split: Split
    rows: int
    items: Callable[[Random], Iterable[Item]]


def generated(split: Split, rows: int, make: Callable[[Random], Item]) -> Template:
    """The template that calls `make` until it has `rows` different items, named after that function."""

    def items(rng: Random) -> Iterator[Item]:
        return (make(rng) for _ in range(rows * _DRAWS_PER_ROW))

    return Template(make.__name__.replace("_", "-"), split, rows, items)


def rows_of(kind: str, template: Template, seed: int) -> list[dict[str, Any]]:
    """The rows of one template; a template's rows do not depend on any other template.

    Raises ValueError if the template yields fewer different items than it promises.
    """
    rng = Random(f"{seed}/{kind}/{template.name}")
    items: dict[str, Item] = {}
    for item in template.items(rng):
        items.setdefault(item.key or item.query, item)
        if len(items) == template.rows:
            return [_row(kind, template, number, kept) for number, kept in enumerate(items.values())]
    raise ValueError(f"{kind}/{template.name} yields {len(items)} different items, not {template.rows}")


def _row(kind: str, template: Template, number: int, item: Item) -> dict[str, Any]:
    return {
        "query_id": f"{kind}/{template.name}/{number:03d}",
        "query": item.query,
        "source": kind,
        "split": template.split,
        "reference": json.dumps(item.reference),
    }
