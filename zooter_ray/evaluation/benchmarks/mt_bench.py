"""MT-Bench (Zheng et al., 2023): 80 queries of eight categories, two turns each, rated from 1 to 10.

Published as three files of JSON Lines: questions (`question_id`, `category`, `turns`), GPT-4's reference answers to
math, reasoning and coding, and the judge's prompts, which are read from there. A grade is the mean of both turns'
ratings (single-answer grading). Routing sees the first turn alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from zooter_ray.config.benchmarks import MTBench
from zooter_ray.errors import DataError
from zooter_ray.evaluation.benchmarks.query import BenchmarkQuery, check_subset, first_text, texts
from zooter_ray.evaluation.judges import Question, read_rating
from zooter_ray.row_files import read_rows

SUBSETS = ("writing", "roleplay", "reasoning", "math", "coding", "extraction", "stem", "humanities")
WITH_REFERENCE = ("math", "reasoning", "coding")
TURNS = 2
SCALE = (1.0, 10.0)
# Names of the published prompts for the first and the second turn.
PROMPTS = ("single-v1", "single-v1-multi-turn")
PROMPTS_WITH_REFERENCE = ("single-math-v1", "single-math-v1-multi-turn")


def queries(config: MTBench) -> Iterator[BenchmarkQuery]:
    """The published questions, each with the judge's questions about both turns.

    Raises:
        DataError: naming the row that cannot be used, or the prompt or reference answer that is missing.
    """
    prompts = _prompts(config.judge_prompts)
    references = dict(_references(config.references))
    for where, row in read_rows(config.path):
        query = query_of(where, row)
        known = {"question": query.query, "question_1": query.query, "question_2": query.turns[1]}
        with_reference = query.sources[0].partition("/")[2] in WITH_REFERENCE
        if with_reference:
            number = row["question_id"]
            if number not in references:
                raise DataError(f"{config.references} has no reference answer to question {number}")
            known |= {f"ref_answer_{turn}": text for turn, text in enumerate(references[number], start=1)}
        names = PROMPTS_WITH_REFERENCE if with_reference else PROMPTS
        questions = tuple(Question(prompts[name][1], known, prompts[name][0]) for name in names)
        yield replace(query, questions=questions)


def query_of(where: str, row: Mapping[str, Any]) -> BenchmarkQuery:
    """A published question, both turns.

    Raises:
        DataError: naming the row that cannot be used.
    """
    number = row.get("question_id")
    if not isinstance(number, str | int):
        raise DataError(f"{where}: column 'question_id' is missing")
    subset = check_subset(where, first_text(where, row, "category"), SUBSETS)
    turns = texts(where, row, "turns")
    if len(turns) != TURNS:
        raise DataError(f"{where}: column 'turns' must hold {TURNS} turns, not {len(turns)}")
    return BenchmarkQuery(f"mt_bench-{number}", turns[0], turns, (f"mt_bench/{subset}",))


def _prompts(path: str) -> dict[str, tuple[str, str]]:
    """System prompt and template of the judge's prompts, by name."""
    found = {
        str(row.get("name")): (first_text(where, row, "system_prompt"), first_text(where, row, "prompt_template"))
        for where, row in read_rows(path)
    }
    if missing := next((name for name in (*PROMPTS, *PROMPTS_WITH_REFERENCE) if name not in found), None):
        raise DataError(f"{path} has no judge prompt called {missing}")
    return found


def _references(path: str) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """Question ids, and the reference answers of both turns."""
    for where, row in read_rows(path):
        yield row.get("question_id"), texts(f"{where}: choices", first_choice(where, row), "turns")


def first_choice(where: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The first of a model's answers to a question.

    Raises:
        DataError: if there is none.
    """
    choices = row.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, Mapping):
        raise DataError(f"{where}: column 'choices' must hold a list of objects with 'turns'")
    return first


def verdict(_query: BenchmarkQuery, reply: str) -> float | None:
    """The rating of one turn; None if there is none."""
    return read_rating(reply, *SCALE)
