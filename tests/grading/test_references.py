"""References as JSON."""

import pickle
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.errors import DataError
from zooter_ray.grading import dump_reference, parse_reference
from zooter_ray.grading.references import ChoiceReference, ContainsReference, ExactReference, NumberReference

GOOD = [
    '{"check": "number", "answer": "42", "tolerance": 0}',
    '{"check": "number", "answer": 42.5}',
    '{"check": "choice", "answer": "B", "choices": ["Paris", "Rome"]}',
    '{"check": "exact", "answer": "olleh", "case_sensitive": false}',
    '{"check": "contains", "answers": ["Paris"], "mode": "all"}',
    '{"check": "unit_tests", "entry_point": "add", "tests": "assert add(1, 2) == 3"}',
    '{"check": "unit_tests", "entry_point": "add", "tests": "assert add(1, 2) == 3", "beginning": "def add(a, b):"}',
]


@pytest.mark.parametrize("text", GOOD)
def test_a_reference_survives_being_written_and_read(text: str) -> None:
    reference = parse_reference(text)
    assert parse_reference(dump_reference(reference)) == reference
    assert pickle.loads(pickle.dumps(reference)) == reference


@settings(deadline=None)  # the machine may be busy
@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_a_number_is_kept_exactly(number: Decimal) -> None:
    reference = parse_reference(dump_reference(NumberReference(answer=number)))
    assert isinstance(reference, NumberReference)
    assert reference.answer == number


@pytest.mark.parametrize(
    ("answer", "number"), [("42", "42"), ('"42"', "42"), ("0.1", "0.1"), ('"1,234"', "1234"), ('"$3/4"', "0.75")]
)
def test_a_number_may_be_a_number_or_text(answer: str, number: str) -> None:
    reference = parse_reference(f'{{"check": "number", "answer": {answer}}}')
    assert reference == NumberReference(answer=Decimal(number))


def test_optional_keys_have_defaults() -> None:
    assert parse_reference('{"check": "exact", "answer": "x"}') == ExactReference(answer="x", case_sensitive=False)
    assert parse_reference('{"check": "contains", "answers": ["x"]}') == ContainsReference(answers=("x",), mode="any")


def test_references_cannot_be_changed() -> None:
    reference = ChoiceReference(answer="A", choices=("x", "y"))
    with pytest.raises(ValueError, match="frozen"):
        reference.__setattr__("answer", "B")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{check: number}", "JSON"),
        ("[]", "object"),
        ('{"answer": "42"}', "check"),
        ('{"check": "nmber", "answer": "42"}', "nmber"),
        ('{"check": "number"}', "'answer'"),
        ('{"check": "number", "answer": "four"}', "'answer'.*'four'"),
        ('{"check": "number", "answer": true}', "'answer'.*True"),
        ('{"check": "number", "answer": "42", "tolerance": -1}', "'tolerance'.*-1"),
        ('{"check": "number", "answer": "42", "tolerence": 1}', "'tolerence'"),
        ('{"check": "choice", "answer": "C", "choices": ["Paris", "Rome"]}', "'C'"),
        ('{"check": "choice", "answer": "", "choices": ["Paris", "Rome"]}', "answer"),
        ('{"check": "choice", "answer": "A", "choices": ["Paris"]}', "'choices'"),
        ('{"check": "choice", "answer": "A", "choices": ["Paris", " "]}', "'choices.1'"),
        ('{"check": "exact", "answer": " "}', "'answer'"),
        ('{"check": "exact", "answer": "two\\nlines"}', "'answer'"),
        ('{"check": "exact", "answer": "x", "case_sensitive": "yes"}', "'case_sensitive'.*'yes'"),
        ('{"check": "contains", "answers": []}', "'answers'"),
        ('{"check": "contains", "answers": ["x"], "mode": "some"}', "'mode'.*'some'"),
        ('{"check": "unit_tests", "entry_point": "a b", "tests": "assert a"}', "'a b'"),
        ('{"check": "unit_tests", "entry_point": "add", "tests": "assert add("}', "Python"),
        ('{"check": "unit_tests", "entry_point": "add", "tests": "def check(candidate): pass"}', "'add'"),
    ],
)
def test_a_wrong_reference_is_refused_in_one_line_that_names_what_is_wrong(text: str, names: str) -> None:
    with pytest.raises(DataError, match=names) as caught:
        parse_reference(text)
    assert "\n" not in str(caught.value)
