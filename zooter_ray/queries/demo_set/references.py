"""The shapes of a reference, as the grading package reads them."""

from __future__ import annotations

from typing import Any


def number(answer: int | float) -> dict[str, Any]:
    """The response gives this number."""
    return {"check": "number", "answer": str(answer)}


def choice(answer: str, choices: list[str]) -> dict[str, Any]:
    """The response names this letter of the lettered choices."""
    return {"check": "choice", "answer": answer, "choices": choices}


def exact(answer: str, case_sensitive: bool = False) -> dict[str, Any]:
    """The response is this text."""
    return {"check": "exact", "answer": answer} | ({"case_sensitive": True} if case_sensitive else {})


def contains(*answers: str, mode: str = "any") -> dict[str, Any]:
    """The response contains any, or all, of these texts."""
    return {"check": "contains", "answers": list(answers), "mode": mode}


def unit_tests(entry_point: str, tests: str) -> dict[str, Any]:
    """The response defines a Python function of that name for which the assertions hold."""
    return {"check": "unit_tests", "entry_point": entry_point, "tests": tests}


def written(check: str, answer: str | list[str]) -> dict[str, Any]:
    """The reference of an answer from a data file; a list gives several spellings, each as good as the others."""
    answers = [answer] if isinstance(answer, str) else answer
    if check == "contains":
        return contains(*answers)
    if len(answers) > 1:
        raise ValueError(f"only the check 'contains' takes several answers, not {check!r}: {answers}")
    return {"check": check, "answer": answers[0]}
