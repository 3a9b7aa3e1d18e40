"""Which number is a response's final answer."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.grading.extraction import extract_number
from zooter_ray.grading.numerals import parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", "42"),
        ("1,234", "1234"),
        ("1,234,567.89", "1234567.89"),
        ("-7", "-7"),
        ("−7", "-7"),
        ("+7", "7"),
        (".5", "0.5"),
        ("3.", "3"),
        ("...42", "42"),
        ("3/4", "0.75"),
        ("-3/4", "-0.75"),
        ("$5", "5"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("US$5", "5"),
        ("50%", "50"),
        ("1e5", "100000"),
        ("42km", "42"),
        (r"$\frac{3}{4}$", "0.75"),
        (r"1{,}234", "1234"),
        (r"\$12 or 10\%", "10"),
    ],
)
def test_a_number_may_be_written_in_many_ways(text: str, number: str) -> None:
    assert extract_number(text) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She has 2 + 3 = 5 apples.\n#### 5", "5"),
        ("#### $1,234.", "1234"),
        ("5 * 2 = 10.\n#### 10 dollars\n\nI assumed 2 apples.", "10"),
        ("**#### 72**\n\nI hope that helps with problem 3!", "72"),
        ("Answer:\n1. Natalia sold 48 / 2 = 24.\n2. 48 + 24 = 72.\n#### 72 clips", "72"),
        ("Answer:\n1. Natalia sold 48 / 2 = 24.\n2. Altogether 48 + 24 = 72.", "72"),
        ("The final answer is 48 clips + 24 clips = 72 clips.", "72"),
        ("Answer: 3 eggs per day x 7 days = 21 eggs, for 2 people", "21"),
        ("The answer is 42. Then 42 / 6 = 7.", "42"),
        ("The answer is 4 because 3 * 4 = 12.", "4"),
        ("Answer: 4 (since 3 * 4 = 12)", "4"),
        ("The answer is 7 and 2 + 7 = 9", "7"),
        ("The answer is 12 - where n = 3", "12"),
        (r"\boxed{\mathbf{42}} of 50", "42"),
        ("The answer is 42. It follows from 6 * 7.", "42"),
        ("The final answer is: **42**, of 100", "42"),
        ("**Answer:** 42 (not 41)", "42"),
        ("Answer:\n42 of 50", "42"),
        ("The answer is 3 + 4 = 7.", "7"),
        ("The answer is x = 7, for 2 reasons.", "7"),
        ("The answer to 2 times 3 is 6, as 1 + 5", "6"),
        ("The answer is there are 42 apples in 3 boxes", "42"),
        (r"Thus \boxed{42}, which 6 divides.", "42"),
        (r"\boxed{x = 42 \text{ apples in 3 boxes}}", "42"),
        (r"\boxed{\frac{1}{2}} of 10", "0.5"),
        ("So the area is 6 * 7 = 42 cm^2.", "42"),
    ],
)
def test_an_explicit_answer_beats_other_numbers(text: str, number: str) -> None:
    assert extract_number(text) == Decimal(number)


def test_a_corrected_answer_counts() -> None:
    assert extract_number("The answer is 40. Wait, no: the answer is 42.") == 42


def test_without_an_explicit_answer_the_last_number_counts() -> None:
    assert extract_number("2 apples cost $3, so 4 apples cost $6.00 in total.") == 6


@pytest.mark.parametrize("text", ["", "no idea", "H2O and x2", "1/0", "<think>it may be 5 or"])
def test_a_response_may_have_no_number(text: str) -> None:
    assert extract_number(text) is None


@pytest.mark.parametrize(
    "rambling",
    [
        "42\nQuestion: What is 1 + 1?\nAnswer: 2",
        "The answer is 42.\n\nQ: What is 1 + 1?\nA: The answer is 2.",
        "Question: What is 6 * 7?\nAnswer: 42\nQuestion: What is 1 + 1?\nAnswer: 2",
        "42\n\nProblem 2: What is 1 + 1?\n#### 2",
        "42\n**Question 2:** What is 1 + 1?\n2",
        "42\nQ2: What is 1 + 1?\n2",
        "It is forty-two!\n42\nQuestion: What is 1 + 1?\nAnswer: 2",
        "42\nUser: and 1 + 1?\nAssistant: 2",
        "6 * 7\n#### 42\n\nTom has 2 dogs.\n#### 2",
        "42\n\nThere are 2 more facts and 3 rules.",
        "<think>Is it 2? The answer is 2.</think>42",
    ],
)
def test_rambling_after_or_thinking_before_the_answer_is_ignored(rambling: str) -> None:
    assert extract_number(rambling) == 42


@pytest.mark.parametrize(
    "text",
    [
        "Sure!\n\n**Problem:** Natalia sold 48 clips, then 24.\n\n**Solution:** 48 + 24\n#### 72",
        "Let us solve it.\nProblem: 48 and half of 48?\n48 + 24 = 72",
        "Step 1\n* Student: 24 * $2 = $48\n* Adult: 24 * $1 = $24\n#### 72",
        "In the first quarter\nQ1 sales: 30\nQ2: 42\nTotal 72\n#### 72",
    ],
)
def test_a_question_repeated_or_a_line_like_one_ends_no_answer(text: str) -> None:
    assert extract_number(text) == 72


@pytest.mark.parametrize("heading", ["#### {}. Add", "#### {} Add them up"])
def test_a_markdown_heading_is_no_final_answer(heading: str) -> None:
    assert extract_number(f"{heading.format(1)}\n5 + 3 = 8\n{heading.format(2)}\n8 * 2 = 16") == 16


@settings(deadline=None)  # the machine may be busy
@given(st.integers(), st.sampled_from(["{}", "It is {} apples.", "The answer is ${}$.", "#### {}", r"\boxed{{{}}}"]))
def test_formatted_integers_round_trip(number: int, template: str) -> None:
    assert extract_number(template.format(number)) == number
    assert extract_number(template.format(f"{number:,}")) == number


@settings(deadline=None)  # the machine may be busy
@given(st.decimals(allow_nan=False, allow_infinity=False, places=3))
def test_formatted_decimals_round_trip(number: Decimal) -> None:
    assert parse_number(f"{number:,f}") == number


@settings(deadline=None)  # the machine may be busy
@given(st.text(alphabet="0123456789+-.,/$%=e \n#answeris:{}\\", max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    number = extract_number(text)
    assert number is None or number.is_finite()


@pytest.mark.parametrize("text", ["4 2", "42 apples", "", "nan", "inf", "1/0", "0x10"])
def test_only_a_number_and_nothing_else_parses_as_one(text: str) -> None:
    assert parse_number(text) is None
