"""The project's own demo queries: short, easy, and each with an answer that a program can check.

They are written for experts of a few hundred million parameters, so that these get a good share right and differ
in which. A query comes from a template (one structure with several phrasings) and a template belongs to one split:
no query to evaluate on is a training query with other numbers.
"""

from __future__ import annotations

from random import Random
from typing import Any

from zooter_ray.queries.demo_set import (
    arithmetic,
    code,
    completion,
    extraction,
    fact,
    multiple_choice,
    transformation,
    word_problem,
)
from zooter_ray.queries.demo_set.templates import Template, rows_of

__all__ = ["demo_queries"]


def demo_queries(seed: int = 0) -> list[dict[str, Any]]:
    """The rows of the demo set, in an order drawn by `seed`, so that any first n rows are a fair sample.

    Each row has `query_id` ("kind/template/number"), `query`, `source` (the kind), `split` ("train" or "eval",
    the same for all rows of a template) and `reference` (JSON, as `zooter_ray.grading` reads it). The seed also
    draws numbers, words, phrasings, the order of options and which of the written facts are asked; the number of
    rows per template and the splits do not depend on it.
    """
    rows = [row for kind, template in _templates() for row in rows_of(kind, template, seed)]
    Random(f"{seed}/order").shuffle(rows)
    return rows


def _templates() -> list[tuple[str, Template]]:
    kinds = {
        "arithmetic": arithmetic.templates(),
        "word_problem": word_problem.templates(),
        "multiple_choice": multiple_choice.templates(),
        "fact": fact.templates(),
        "code": code.templates(),
        "transformation": transformation.templates(),
        "extraction": extraction.templates(),
        "completion": completion.templates(),
    }
    return [(kind, template) for kind, templates in kinds.items() for template in templates]
