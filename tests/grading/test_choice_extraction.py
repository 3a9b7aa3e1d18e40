"""Which option a response chooses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zooter_ray.grading.extraction import extract_choice

CITIES = ("Paris", "Rome", "Berlin", "Madrid")
TEN = [f"number {n}" for n in range(10)]


@pytest.mark.parametrize(
    "text",
    [
        "B",
        "b",
        "(B)",
        "(b)",
        "B.",
        "B)",
        "**B**",
        "B: Rome",
        "B) Rome",
        "Answer: B",
        "answer: b",
        "A: B",
        "The answer is (B)",
        "The answer is B because it is.",
        "The correct answer is **B) Rome**",
        "The correct answer is option B.",
        "The correct option is B",
        "It's B.",
        "B is correct",
        "I choose B.",
        "I think it is (B).",
        "So we get\nB",
        r"$\boxed{\text{B}}$",
        r"\boxed{\mathrm{B}}",
        r"The correct answer is $\textbf{B}$",
        "Correct option: B",
        "The correct option: B",
        "**Correct choice:** B",
        "Option: B",
        "Ans: B",
        "Answer - B",
        "The letter is B.",
        "B is the answer.",
        "I'd go with B.",
        "So, B.",
    ],
)
def test_a_letter_may_be_given_in_many_ways(text: str) -> None:
    assert extract_choice(text, CITIES) == "B"


@pytest.mark.parametrize(
    "text", ["Rome", "It is ROME, of course.", "A city with ruins is Rome", "A: Rome", "Answer: rome"]
)
def test_an_options_text_will_do_if_it_is_the_only_one(text: str) -> None:
    assert extract_choice(text, CITIES) == "B"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none of these",
        "E",
        "Rome or Paris",
        "Answer: A or B",
        "The answer is (A) or (B)",
        "(A) and (B) are right",
        "(B) and (C) are right",
        "(A) is wrong, of course.\nB or C?\n(C) may be right",
        "A. Paris is in France.\nB. Rome is in Italy.",
        "Let me go through each option:\nA) Paris is in France.\nB) Rome is in Italy.",
        "A) Paris is wrong.\n(C) Berlin is, too.\n(D) Madrid may be.",
        "A. Paris\nB. Rome\nC. Berlin\nD. Madrid",
        "The answer is not B",
        "A B C D",
    ],
)
def test_an_ambiguous_response_chooses_nothing(text: str) -> None:
    assert extract_choice(text, CITIES) is None


@pytest.mark.parametrize(
    "text", ["A dog is an animal.", "A bird", "The answer is a dog.", "The answer is A dog.", "I choose A dog."]
)
def test_the_article_is_not_option_a(text: str) -> None:
    assert extract_choice(text, ("Cat", "Dog", "Cow")) in (None, "B")


def test_the_pronoun_is_not_option_i() -> None:
    assert extract_choice("I think so. Answer: I do not know", TEN) is None
    assert extract_choice("Answer: I", TEN) == "I"


@pytest.mark.parametrize(
    "text",
    [
        "B\nQuestion: Capital of France?\nAnswer: A",
        "Answer: B\n\nQ: Capital of Spain?\nAnswer: D",
        "B\n\nA) Paris is in France.\nC) Berlin is in Germany.",
        "A. Paris\nB. Rome\nC. Berlin\nD. Madrid\nAnswer: B",
        "B) Rome\n\nThe other options:\nA) Paris - capital of France\nC) Berlin - Germany",
        "B. Rome is the capital of Italy.\n\nA. Paris is in France.\nC. Berlin is not.",
        "(B) Rome. Option (A) is wrong.",
        "**B. Rome**\n\n* A. Paris is wrong",
        "**B.** Rome\n(C) is wrong, and so is (D).",
        "Sure!\n\n**Question:** The capital of Italy?\n\n**Answer:** B",
        "Sure, the answer is B.\n\nQuestion: Which is X?\nAnswer: C",
        "The answer is B!\n\nQuestion: Next?\nAnswer: D",
        "B!\nQuestion: Which?\nAnswer: C",
        "Let me go through each option:\n(A) Paris is in France.\n\nSo the answer is **B**",
        "(A) is wrong. (B) is right.",
        "Answer: A. No, wait: the answer is B.",
        "<think>The answer is A?</think>B",
    ],
)
def test_what_surrounds_the_answer_is_ignored(text: str) -> None:
    assert extract_choice(text, CITIES) == "B"


def test_a_longer_option_hides_a_shorter_one_in_it() -> None:
    assert extract_choice("Paris, Texas", ("Paris", "Paris, Texas")) == "B"


@pytest.mark.parametrize(("text", "letter"), [("5", "B"), ("It is 15.", "C"), ("1.5", None), ("5,000", None)])
def test_an_option_that_is_a_number_must_stand_alone(text: str, letter: str | None) -> None:
    assert extract_choice(text, ("4", "5", "15")) == letter


@settings(deadline=None)  # the machine may be busy
@given(
    st.sampled_from("ABCDEFGHIJ"),
    st.sampled_from(["{}", "({})", "{}.", "Answer: {}", "**{}**", "The answer is ({}).", "The answer is {}"]),
)
def test_every_letter_is_found_in_every_form(letter: str, template: str) -> None:
    assert extract_choice(template.format(letter), TEN) == letter


@settings(deadline=None)  # the machine may be busy
@given(st.text())
def test_only_the_options_letters_are_ever_returned(text: str) -> None:
    assert extract_choice(text, CITIES) in (None, "A", "B", "C", "D")
