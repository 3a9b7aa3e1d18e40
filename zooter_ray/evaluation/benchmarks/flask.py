"""FLASK (Ye et al., 2024): 1,740 queries of ten domains; every answer is rated from 1 to 5 for some of twelve skills.

Published as JSON Lines of `idx`, `instruction`, `answer` (a reference answer), `skill` and `domain` (lists). A query's
grade is the mean of its skills' ratings, and counts for each of its domains: the outcomes have a row for each, while
experts and judge are asked once. A query whose domain is `-1` counts for none. The paper's scale (0-5) is this one.

The judge's prompt and the wording of the skills are this project's own, after the public description of the skills.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from zooter_ray.config.benchmarks import Flask
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, check_subset, first_text, texts
from zooter_ray.evaluation.judges import Question, read_ratings
from zooter_ray.row_files import read_rows

SUBSETS = (
    "humanities", "language", "social_science", "history", "culture",
    "technology", "coding", "math", "natural_science", "health",
)  # fmt: skip
NO_DOMAIN = "-1"
SCALE = (1, 5)
SKILLS = {
    "Logical Robustness": "the reasoning is free of contradictions and holds in every case that the task allows",
    "Logical Correctness": "the final result is right",
    "Logical Efficiency": "the reasoning takes no step that is not needed",
    "Factuality": "what is claimed is true, and is backed up where that is needed",
    "Commonsense Understanding": "everyday situations and their simple consequences are understood",
    "Comprehension": "the answer does what the instruction asks for, stated or implied",
    "Insightfulness": "the answer offers ideas or views that are new and of use",
    "Completeness": "everything that the instruction asks about is explained, broadly and deeply enough",
    "Metacognition": "the answer knows the limits of what can be said, and says so",
    "Conciseness": "nothing is said that the reader does not need",
    "Readability": "the answer is well ordered and easy to read",
    "Harmlessness": "nothing in it is harmful, unsafe or biased",
}
PROMPT = """\
Rate an answer to an instruction, for each of these skills apart from the others:

{skills}

<instruction>
{instruction}
</instruction>

<reference answer>
{reference}
</reference answer>

<answer>
{answer}
</answer>

The reference answer is one good answer of several. A rating is a whole number from 1 (the skill is missing) over 3 \
(it shows, with clear faults) to 5 (no fault). Write a sentence on each skill. Then end with one line that holds \
nothing but the ratings, as a JSON object like this one: {example}"""


def queries(config: Flask) -> Iterator[BenchmarkQuery]:
    """The published queries, each with a question about an answer's skills.

    Raises:
        DataError: naming the row that cannot be used.
    """
    for where, row in read_rows(config.path):
        query = query_of(where, row)
        asked = question(query.query, first_text(where, row, "answer"), query.skills)
        yield replace(query, questions=(asked,))


def query_of(where: str, row: Mapping[str, Any]) -> BenchmarkQuery:
    """A published query, with its domains and skills.

    Raises:
        DataError: naming the row that cannot be used.
    """
    if not isinstance(row.get("idx"), str | int):
        raise DataError(f"{where}: column 'idx' is missing")
    query = first_text(where, row, "instruction")
    skills = texts(where, row, "skill")
    if unknown := next((skill for skill in skills if skill not in SKILLS), None):
        raise DataError(f"{where}: {unknown!r} is no skill of FLASK; those are {', '.join(SKILLS)}")
    domains = [name for name in texts(where, row, "domain") if name != NO_DOMAIN]
    sources = tuple(f"flask/{check_subset(where, name, SUBSETS)}" for name in domains)
    return BenchmarkQuery(f"flask-{row['idx']}", query, (query,), sources, skills=skills)


def question(instruction: str, reference: str, skills: tuple[str, ...]) -> Question:
    """How good is the answer, skill by skill?"""
    listed = "\n".join(f"- {skill}: {SKILLS[skill]}" for skill in skills)
    example = json.dumps(dict.fromkeys(skills, 3))
    return Question(PROMPT, {"instruction": instruction, "reference": reference, "skills": listed, "example": example})


def verdict(query: BenchmarkQuery, reply: str) -> float | None:
    """The mean of the skills' ratings, N/A left out; None unless each is rated or N/A."""
    ratings = read_ratings(reply, query.skills, *SCALE)
    return None if ratings is None else sum(ratings.values()) / len(ratings)
