"""Short Python functions, written down as families in `code.yaml`; a family is a template."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from string import Template as Text
from typing import Any, NamedTuple

from zooter_ray.queries.demo_set import references
from zooter_ray.queries.demo_set.phrasing import load
from zooter_ray.queries.demo_set.templates import Item, Template

_ASKS = (
    "Write a Python function $signature that $does.",
    "In Python, define a function $signature that $does. Reply with the code only.",
    "Python: write $signature. The function $does.",
    "Please give me Python code for a function $signature that $does.",
    "Define the Python function $signature, which $does. Code only, no explanation.",
)


class Problem(NamedTuple):
    """One function to write: what is asked, what tests it, and a solution, of which experts see nothing."""

    signature: str
    does: str
    tests: str
    solution: str

    @property
    def entry_point(self) -> str:
        """The name of the function."""
        return self.signature.split("(")[0]


def templates() -> list[Template]:
    """The templates of the kind."""
    return [_template(family) for family in load("code")]


def problems(family: dict[str, Any]) -> list[Problem]:
    """All functions of a family: one per variant, whose parameters replace `$name` in every text."""
    return [_problem(family, variant) for variant in family["variants"]]


def _template(family: dict[str, Any]) -> Template:
    def items(rng: Random) -> Iterator[Item]:
        functions = problems(family)
        for problem in rng.sample(functions, len(functions)):
            query = Text(rng.choice(_ASKS)).substitute(signature=problem.signature, does=problem.does)
            yield Item(query, references.unit_tests(problem.entry_point, problem.tests))

    return Template(family["name"], family["split"], family["rows"], items)


def _problem(family: dict[str, Any], variant: dict[str, Any]) -> Problem:
    texts = {key: family[key] for key in ("signature", "does", "solution")}
    texts["tests"] = "\n".join(f"assert {test}" for test in variant.get("tests") or family["tests"])
    return Problem(**{key: Text(text).substitute(variant) for key, text in texts.items()})
