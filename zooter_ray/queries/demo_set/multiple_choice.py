"""Questions with lettered options: written ones from `multiple_choice.yaml`, by subject, and some about numbers."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from zooter_ray.queries.demo_set import references
from zooter_ray.queries.demo_set.phrasing import load, words
from zooter_ray.queries.demo_set.templates import Item, Template, generated

_FORMS = (
    "Answer with the letter only.",
    "Reply with the letter of the right option.",
    "Which letter is right? Give only the letter.",
    "Choose one option and answer with its letter.",
)


def templates() -> list[Template]:
    """The templates of the kind."""
    train = [largest_number, odd_number, begins_with]
    evaluation = [smallest_number, longest_word]
    written = [_written(subject) for subject in load("multiple_choice")]
    return (
        written + [generated("train", 5, make) for make in train] + [generated("eval", 5, make) for make in evaluation]
    )


def _written(subject: dict[str, Any]) -> Template:
    """The template of one subject, whose questions give the right option first."""

    def items(rng: Random) -> Iterator[Item]:
        for question, right, *wrong in rng.sample(subject["questions"], len(subject["questions"])):
            yield _item(rng, question, right, wrong)

    return Template(subject["name"], subject["split"], subject["rows"], items)


def _item(rng: Random, question: str, right: str, wrong: list[str]) -> Item:
    options = rng.sample([right, *wrong], len(wrong) + 1)
    letters = "ABCD"[: len(options)]
    lines = [f"{letter}) {option}" for letter, option in zip(letters, options, strict=True)]
    query = "\n".join([question, *lines, rng.choice(_FORMS)])
    return Item(query, references.choice(letters[options.index(right)], options))


def largest_number(rng: Random) -> Item:
    """The largest of four numbers."""
    numbers = sorted(rng.sample(range(1, 100), 4))
    return _item(rng, "Which number is the largest?", str(numbers[-1]), [str(n) for n in numbers[:-1]])


def odd_number(rng: Random) -> Item:
    """The one odd number among even ones."""
    even = [str(2 * n) for n in rng.sample(range(1, 15), 2)]
    return _item(rng, "Which of these numbers is odd?", str(2 * rng.randint(1, 14) + 1), even)


def begins_with(rng: Random) -> Item:
    """The word with a given first letter."""
    right, *rest = rng.sample(words("animal"), 8)
    wrong = [word for word in rest if word[0] != right[0]][:3]
    return _item(rng, f'Which word begins with the letter "{right[0]}"?', right, wrong)


def smallest_number(rng: Random) -> Item:
    """The smallest of three numbers."""
    numbers = sorted(rng.sample(range(1, 60), 3))
    return _item(rng, "Find the smallest number.", str(numbers[0]), [str(n) for n in numbers[1:]])


def longest_word(rng: Random) -> Item:
    """The word with the most letters."""
    right = rng.choice([word for word in words("animal") + words("food") + words("word") if len(word) > 4])
    return _item(rng, "Which of these words has the most letters?", right, rng.sample(words("short_word"), 3))
