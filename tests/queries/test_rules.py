"""Tags by rules."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.queries.rules import RULES, rule_tags


@pytest.mark.parametrize(
    ("query", "tags"),
    [
        ("What is 12 * 7?", ["arithmetic"]),
        ("What is 3 plus 4?", ["arithmetic"]),
        ("How many apples are left if Tom has 7 and eats 3?", ["number problem"]),
        ("Which number is greater, one or two?", ["comparison"]),
        ("Pick one.\nA) red\nB) blue", ["multiple choice"]),
        ("Tom has 7 and eats 3. How many are left?", ["number problem"]),
        ("How many are left?", []),
        ("It is in the text what I find.", []),
        ("  (A) red\n", ["multiple choice"]),
        ("Write a Python function that sums a list.", ["code", "list function"]),
        ("Write a function that turns a string upside down.", ["code", "string function"]),
        ("Write the word garden in capitals.", ["rewriting"]),
        ("Sort these: pear, apple.", ["ordering"]),
        ("Which name is in this sentence: Yesterday Maria left.", ["extraction"]),
        ("Mail anna@example.org.", ["contact data"]),
        ("What comes after Tuesday?", ["date"]),
        ("Which country is the largest?", ["comparison", "geography"]),
        ("Which gas do plants need?", ["science"]),
        ("What is the opposite of hot?", ["language"]),
        ("Who wrote Faust?", ["literature"]),
        ("Roses are red, violets are ___", ["completion"]),
        ("Hello there!", []),
        ("", []),
    ],
)
def test_rules_find_what_a_query_is_about(query: str, tags: list[str]) -> None:
    assert rule_tags(query) == tags


def test_case_does_not_matter() -> None:
    assert rule_tags("WHO WROTE FAUST?") == rule_tags("who wrote faust?") == ["literature"]


def test_a_capital_city_is_no_capital_letter() -> None:
    assert rule_tags("What is the capital of France?") == ["geography"]


def test_a_word_inside_another_is_none() -> None:
    assert rule_tags("Explain malfunctions and monotony.") == []


@pytest.mark.parametrize("unit", ["12,34\n", "function ", "what who ", "\n \n", "a.", "how many ", "_ ", "```"])
def test_a_megabyte_takes_no_longer_than_it_must(unit: str) -> None:
    """Searches that begin anew at every match would take hours."""
    started = time.perf_counter()
    rule_tags(unit * (1_000_000 // len(unit)))
    assert time.perf_counter() - started < 10


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_any_text_has_each_tag_at_most_once_in_the_order_of_the_rules(query: str) -> None:
    tags = rule_tags(query)
    assert tags == [tag for tag in RULES if tag in tags]
