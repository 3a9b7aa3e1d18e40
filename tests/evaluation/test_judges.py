"""What a judge is asked, and replies that are read strictly or not at all."""

import json

import pytest

from zooter_ray.evaluation.judges import Question, asked, read_choice, read_rating, read_ratings


def test_answers_and_what_is_known_go_into_their_places() -> None:
    question = Question(
        "Q: {question_1} A: {answer_1} Q: {question_2} A: {answer_2}", {"question_1": "a", "question_2": "b"}
    )
    assert asked(question, ["one", "two"]) == "Q: a A: one Q: b A: two"
    assert asked(Question("{question}: {answer}", {"question": "a"}), ["one", "two"]) == "a: one"


def test_what_looks_like_a_place_in_a_text_stays_as_it_is() -> None:
    question = Question('Q: {question} A: {answer} Reply {"a": 1} or {this}.', {"question": "print({answer})"})
    assert asked(question, ["{question}"]) == 'Q: print({answer}) A: {question} Reply {"a": 1} or {this}.'


@pytest.mark.parametrize(
    ("reply", "rating"),
    [
        ("Good. Rating: [[7]]", 7.0),
        ("[[7.5]]", 7.5),
        ("[[10]], as I said: [[10]]", 10.0),
        ("Rating: 7", None),
        ("Rating: [7]", None),
        ("[[7]] or rather [[8]]", None),
        ("[[0]]", None),
        ("[[11]]", None),
        ("[[rating]]", None),
        ("[[7/10]]", None),
        ("", None),
    ],
)
def test_a_rating_is_one_number_in_double_brackets_on_the_scale(reply: str, rating: float | None) -> None:
    assert read_rating(reply, 1, 10) == rating


@pytest.mark.parametrize(
    ("reply", "choice"),
    [
        ("A is fine, but [[B]]", "B"),
        ("[[C]]", "C"),
        ("[[A]] ... [[B]]", None),
        ("[[D]]", None),
        ("A", None),
        ("", None),
    ],
)
def test_a_choice_is_one_letter_in_double_brackets(reply: str, choice: str | None) -> None:
    assert read_choice(reply) == choice


SKILLS = ("Factuality", "Conciseness")
GOOD = {"Factuality": 5, "Conciseness": 1}


@pytest.mark.parametrize(
    ("last", "ratings"),
    [
        (json.dumps(GOOD), GOOD),
        (json.dumps(GOOD, indent=2), GOOD),
        (f"**{json.dumps(GOOD)}**", GOOD),
        ('{"Factuality": 5.0, "Conciseness": 1}', GOOD),
        ("{'factuality': 5, 'CONCISENESS': 1}", GOOD),
        (json.dumps(GOOD | {"Conciseness": "N/A"}), {"Factuality": 5}),
        ("{'Factuality': 'Not applicable', 'Conciseness': 'NA'}", None),
        (json.dumps(GOOD | {"factuality": 5}), None),
        ("{'Factuality': five, 'Conciseness': 1}", None),
        (json.dumps(GOOD | {"Readability": 3}), None),
        (json.dumps({"Factuality": 5}), None),
        (json.dumps(GOOD | {"Factuality": 6}), None),
        (json.dumps(GOOD | {"Factuality": 0}), None),
        (json.dumps(GOOD | {"Factuality": 4.5}), None),
        (json.dumps(GOOD | {"Factuality": "5"}), None),
        (json.dumps(GOOD | {"Factuality": True}), None),
        (json.dumps([5, 1]), None),
        (f"Ratings: {json.dumps(GOOD)}", None),
        ("[" * 100_000, None),
        ("", None),
    ],
)
def test_ratings_are_an_object_of_just_the_skills_that_ends_the_reply(
    last: str, ratings: dict[str, int] | None
) -> None:
    assert read_ratings(f"Both are there.\n{last}\n", SKILLS, 1, 5) == ratings
    assert read_ratings(f"Both are there.\n```json\n{last}\n```\n", SKILLS, 1, 5) == ratings
    assert read_ratings(f"{json.dumps(GOOD)}\nThat is all.", SKILLS, 1, 5) is None
