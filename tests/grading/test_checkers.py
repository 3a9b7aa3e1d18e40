"""Grades of whole responses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.grading import grade, parse_reference
from zooter_ray.grading.references import (
    ChoiceReference,
    ContainsReference,
    ExactReference,
    NumberReference,
    UnitTestsReference,
)

CITIES = ("Paris", "Rome", "Berlin", "Madrid")


@pytest.mark.parametrize(
    ("answer", "tolerance", "response", "expected"),
    [
        ("42", 0, "The answer is 42.", 1.0),
        ("42", 0, "The answer is 42.0", 1.0),
        ("42", 0, "The answer is 43.", 0.0),
        ("42", 0, "no idea", 0.0),
        ("42", 0, "", 0.0),
        ("42", 1, "41", 1.0),
        ("42", 1, "40.9", 0.0),
        ("0.3", 0, "0.30000000000000004", 1.0),
        ("0", 0, "1e-17", 1.0),
        ("0.3", 0, "0.3001", 0.0),
        ("1/3", 0.001, "0.333", 1.0),
        ("1/3", 0, "\\boxed{\\frac{1}{3}}", 1.0),
        ("15511210043330985984000000", 0, "15511210043330985984000001", 0.0),
        ("1234", 0, "1,234", 1.0),
    ],
)
def test_number(answer: str, tolerance: float, response: str, expected: float) -> None:
    reference = parse_reference(f'{{"check": "number", "answer": "{answer}", "tolerance": {tolerance}}}')
    assert grade(response, reference) == expected


@pytest.mark.parametrize(
    ("response", "expected"), [("B", 1.0), ("It is Rome.", 1.0), ("C", 0.0), ("Paris or Rome", 0.0), ("", 0.0)]
)
def test_choice(response: str, expected: float) -> None:
    assert grade(response, ChoiceReference(answer="B", choices=CITIES)) == expected


@pytest.mark.parametrize(
    ("answer", "case_sensitive", "response", "expected"),
    [
        ("olleh", False, "Olleh.", 1.0),
        ("olleh", True, "Olleh.", 0.0),
        ("olleh", False, "olleh olleh", 0.0),
        ("don't", False, "“Don’t”", 1.0),
        ("e.g.", False, "e.g.", 1.0),
        ("Straße", False, "STRASSE", 1.0),
        ("café", False, "cafe\u0301", 1.0),
        ("new  york", False, "New York", 1.0),
        ("olleh", False, "", 0.0),
        ('"', False, "", 0.0),
    ],
)
def test_exact(answer: str, case_sensitive: bool, response: str, expected: float) -> None:
    assert grade(response, ExactReference(answer=answer, case_sensitive=case_sensitive)) == expected


@pytest.mark.parametrize(
    ("answers", "mode", "response", "expected"),
    [
        (("Paris",), "all", "The capital is PARIS!", 1.0),
        (("Paris",), "all", "Parisian", 0.0),
        (("cat",), "any", "concatenate", 0.0),
        (("Paris", "Rome"), "all", "Paris", 0.0),
        (("Paris", "Rome"), "all", "Rome, then Paris", 1.0),
        (("Paris", "Rome"), "any", "Paris", 1.0),
        (("Paris", "Rome"), "any", "Berlin", 0.0),
        (("New York",), "all", "new\nyork", 1.0),
        (("5",), "all", "It costs 15, or 1.5, or 5,000, or -5", 0.0),
        (("5",), "all", "It costs 5.", 1.0),
        (("C++",), "all", "Use C++.", 1.0),
        (("巴黎",), "all", "首都是巴黎。", 1.0),
        (("ｆｕｌｌ",), "all", "full", 1.0),
        (("Paris",), "all", "Rome\nQuestion: Capital of France?\nAnswer: Paris", 0.0),
    ],
)
def test_contains(answers: tuple[str, ...], mode: str, response: str, expected: float) -> None:
    reference = ContainsReference.model_validate({"answers": answers, "mode": mode})
    assert grade(response, reference) == expected


ADD = UnitTestsReference(entry_point="add", tests="assert add(1, 2) == 3\nassert add(-1, 1) == 0")


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("```python\ndef add(a, b):\n    return a + b\n```", 1.0),
        ("def add(a, b):\n    return a + b\n\nThis adds.", 1.0),
        ("add = lambda a, b: a + b", 1.0),
        ("```python\ndef add(a, b):\n    return 3\n```", 0.0),
        ("```python\ndef plus(a, b):\n    return a + b\n```", 0.0),
        ("```python\nimport sys\ndef add(a, b):\n    sys.exit(0)\n```", 0.0),
        ("```python\nimport os\nos._exit(0)\ndef add(a, b): ...\n```", 0.0),
        ("I cannot do that.", 0.0),
        ("", 0.0),
    ],
)
def test_unit_tests(response: str, expected: float) -> None:
    assert grade(response, ADD) == expected


def test_unit_tests_may_be_a_function_that_is_called_at_the_end() -> None:
    tests = "def check(candidate):\n    assert candidate(1, 2) == 3\ncheck(add)"
    reference = UnitTestsReference(entry_point="add", tests=tests)
    assert grade("def add(a, b):\n    return a + b", reference) == 1.0
    assert grade("def add(a, b):\n    return a - b", reference) == 0.0


@settings(deadline=None)  # the machine may be busy
@given(
    st.text(),
    st.sampled_from(
        [
            parse_reference('{"check": "number", "answer": 42}'),
            ChoiceReference(answer="B", choices=CITIES),
            ExactReference(answer="x"),
            ContainsReference(answers=("x", "y")),
        ]
    ),
)
def test_any_response_gets_a_grade(
    response: str, reference: NumberReference | ChoiceReference | ExactReference | ContainsReference
) -> None:
    assert grade(response, reference) in (0.0, 1.0)
