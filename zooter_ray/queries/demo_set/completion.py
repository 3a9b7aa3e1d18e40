"""Continue a series, a pattern or a set phrase."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from zooter_ray.queries.demo_set import references
from zooter_ray.queries.demo_set.phrasing import NUMBER_FORMS, WORD_FORMS, load, pairs, with_form, words
from zooter_ray.queries.demo_set.templates import Item, Template, generated


def templates() -> list[Template]:
    """The templates of the kind."""
    train = [count_up, count_in_steps, next_letter, next_day, repeat_pattern, plural_pattern, past_pattern]
    evaluation = [count_down, doubling, next_month, upper_case_pattern]
    made = [generated("train", 7, make) for make in train] + [generated("eval", 5, make) for make in evaluation]
    return made + [_phrases(group) for group in load("completion")]


def _phrases(group: dict[str, Any]) -> Template:
    """The template of one group of written beginnings: each at most once."""

    def items(rng: Random) -> Iterator[Item]:
        for beginning, end in rng.sample(list(group["phrases"].items()), len(group["phrases"])):
            query = f"{rng.choice(group['asks'])} {beginning}"
            yield Item(query.strip(), references.written("contains", end))

    return Template(group["name"], group["split"], group["rows"], items)


def _series(rng: Random, asks: list[str], forms: tuple[str, ...], shown: list[str], reference: dict[str, Any]) -> Item:
    """The question, the form of its answer, and then the series, whose last comma waits for the answer."""
    listed = ", ".join(shown)
    return Item(f"{with_form(rng, rng.choice(asks), forms)} {listed},", reference, key=listed)


def _next_number(rng: Random, asks: list[str], series: list[int]) -> Item:
    *shown, answer = series
    return _series(rng, asks, NUMBER_FORMS, [str(n) for n in shown], references.number(answer))


def _pattern(rng: Random, examples: list[tuple[str, str]]) -> Item:
    """Solved examples, then one that is not."""
    *solved, (asked, answer) = examples
    lines = [f"{given} -> {wanted}" for given, wanted in solved]
    ask = rng.choice(["Complete the last line.", "What goes after the last arrow?"])
    query = "\n".join([with_form(rng, ask, WORD_FORMS), *lines, f"{asked} ->"])
    return Item(query, references.contains(answer), key=asked)


def count_up(rng: Random) -> Item:
    """4, 5, 6, 7."""
    start = rng.randint(1, 40)
    return _next_number(rng, ["Which number comes next?", "Count on by one."], list(range(start, start + 5)))


def count_in_steps(rng: Random) -> Item:
    """2, 4, 6, 8, or fives, or tens."""
    step = rng.choice([2, 3, 5, 10])
    start = step * rng.randint(1, 8)
    asks = ["Which number follows in this series?", "Continue the series with one more number."]
    return _next_number(rng, asks, [start + step * n for n in range(5)])


def next_letter(rng: Random) -> Item:
    """The letter after some letters in the order of the alphabet."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    start = rng.randint(0, 20)
    *shown, answer = list(alphabet[start : start + 5])
    asks, forms = (
        ["Which letter comes next?", "Go on with the alphabet."],
        ("Answer with one letter.", "Just the letter."),
    )
    return _series(rng, asks, forms, shown, references.exact(answer))


def next_day(rng: Random) -> Item:
    """The day of the week after three others."""
    days = words("day") * 2
    start = rng.randint(0, 6)
    asks = ["Which day comes next?", "Continue with one more day."]
    return _series(rng, asks, WORD_FORMS, days[start : start + 3], references.contains(days[start + 3]))


def repeat_pattern(rng: Random) -> Item:
    """red, blue, red, blue, red."""
    first, second = rng.sample(words("colour"), 2)
    asks = ["Which color is next in the pattern?", "Keep the pattern going with one more color."]
    return _series(rng, asks, WORD_FORMS, [first, second, first, second, first], references.exact(second))


def plural_pattern(rng: Random) -> Item:
    """One and many, by example."""
    return _pattern(rng, rng.sample(pairs("plural"), 3))


def past_pattern(rng: Random) -> Item:
    """Today and yesterday, by example."""
    return _pattern(rng, rng.sample(pairs("past"), 3))


def count_down(rng: Random) -> Item:
    """9, 8, 7, 6."""
    start = rng.randint(8, 40)
    asks = ["These numbers go down. What is next?", "Count backwards by one number."]
    return _next_number(rng, asks, list(range(start, start - 5, -1)))


def doubling(rng: Random) -> Item:
    """3, 6, 12, 24."""
    start = rng.randint(1, 9)
    asks = ["Each number is twice the one before. Give the next.", "Keep doubling, one more time."]
    return _next_number(rng, asks, [start * 2**n for n in range(4)])


def next_month(rng: Random) -> Item:
    """The month after three others."""
    months = words("month") * 2
    start = rng.randint(0, 11)
    asks = ["After these months, which one is it?", "Name one more month of the year, in order."]
    return _series(rng, asks, WORD_FORMS, months[start : start + 3], references.contains(months[start + 3]))


def upper_case_pattern(rng: Random) -> Item:
    """Capitals, by example; an answer in small letters is an echo and does not count."""
    item = _pattern(rng, [(word, word.upper()) for word in rng.sample(words("short_word"), 3)])
    return item._replace(reference=references.exact(item.reference["answers"][0], case_sensitive=True))
