"""Tags by rules."""

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


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_any_text_has_each_tag_at_most_once_in_the_order_of_the_rules(query: str) -> None:
    tags = rule_tags(query)
    assert tags == [tag for tag in RULES if tag in tags]
