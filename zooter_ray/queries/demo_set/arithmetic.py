"""Sums without a story."""

from __future__ import annotations

from random import Random

from zooter_ray.queries.demo_set import references
from zooter_ray.queries.demo_set.phrasing import NUMBER_FORMS, with_form, words
from zooter_ray.queries.demo_set.templates import Item, Template, generated


def templates() -> list[Template]:
    """The templates of the kind."""
    train = [add_two, subtract_two, divide_exactly, add_three, double, fill_the_gap, add_tens, more_than]
    train += [percent_of, multiply_then_add]
    evaluation = [add_words, multiply_two, half_of, less_than, difference]
    return [generated("train", 7, make) for make in train] + [generated("eval", 6, make) for make in evaluation]


def _item(rng: Random, asks: list[str], answer: int) -> Item:
    return Item(with_form(rng, rng.choice(asks), NUMBER_FORMS), references.number(answer), key=asks[0])


def add_two(rng: Random) -> Item:
    """7 + 5."""
    a, b = rng.randint(1, 12), rng.randint(1, 9)
    return _item(rng, [f"What is {a} + {b}?", f"Calculate {a} + {b}.", f"{a} + {b} = ?"], a + b)


def subtract_two(rng: Random) -> Item:
    """12 - 5, never below zero."""
    b, rest = rng.randint(1, 7), rng.randint(1, 8)
    return _item(rng, [f"What is {b + rest} - {b}?", f"Compute {b + rest} minus {b}."], rest)


def multiply_two(rng: Random) -> Item:
    """4 times 6."""
    a, b = rng.randint(2, 10), rng.randint(2, 10)
    return _item(rng, [f"What is {a} times {b}?", f"Multiply {a} by {b}.", f"{a} x {b} = ?"], a * b)


def divide_exactly(rng: Random) -> Item:
    """24 divided by 6, without remainder."""
    b, quotient = rng.randint(2, 10), rng.randint(1, 10)
    return _item(rng, [f"What is {b * quotient} divided by {b}?", f"Divide {b * quotient} by {b}."], quotient)


def add_three(rng: Random) -> Item:
    """The sum of three small numbers."""
    a, b, c = (rng.randint(1, 9) for _ in range(3))
    return _item(rng, [f"Add {a}, {b} and {c}.", f"What is the sum of {a}, {b} and {c}?"], a + b + c)


def double(rng: Random) -> Item:
    """Twice a number."""
    a = rng.randint(2, 30)
    return _item(
        rng, [f"What is double {a}?", f"What do you get when you double {a}?", f"Double the number {a}."], 2 * a
    )


def fill_the_gap(rng: Random) -> Item:
    """7 + __ = 12."""
    a, gap = rng.randint(1, 12), rng.randint(1, 9)
    return _item(rng, [f"Which number goes in the gap? {a} + __ = {a + gap}.", f"Solve {a} + ? = {a + gap}."], gap)


def add_tens(rng: Random) -> Item:
    """The sum of two numbers of two digits."""
    a, b = rng.randint(21, 60), rng.randint(21, 39)
    return _item(rng, [f"Find the sum of {a} and {b}.", f"How much is {a} plus {b}?"], a + b)


def less_than(rng: Random) -> Item:
    """The number that is 3 less than 10."""
    b, rest = rng.randint(1, 9), rng.randint(1, 15)
    return _item(rng, [f"Which number is {b} less than {b + rest}?", f"Count {b} down from {b + rest}."], rest)


def percent_of(rng: Random) -> Item:
    """10 percent of 50, a whole number."""
    percent, whole = rng.choice([10, 20, 50]), 10 * rng.randint(1, 12)
    return _item(
        rng, [f"What is {percent}% of {whole}?", f"Find {percent} percent of {whole}."], percent * whole // 100
    )


def add_words(rng: Random) -> Item:
    """Seven plus five, in words."""
    spelled = words("number_words")
    a, b = rng.randint(1, 10), rng.randint(1, 10)
    asks = [f"What is {spelled[a]} plus {spelled[b]}?", f"Add {spelled[a]} and {spelled[b]}. Write digits."]
    return _item(rng, asks, a + b)


def difference(rng: Random) -> Item:
    """How far two numbers are apart."""
    a, apart = rng.randint(1, 15), rng.randint(1, 10)
    asks = [f"What is the difference between {a + apart} and {a}?", f"How far apart are {a} and {a + apart}?"]
    return _item(rng, asks, apart)


def half_of(rng: Random) -> Item:
    """Half of an even number."""
    half = rng.randint(1, 40)
    return _item(rng, [f"What is half of {2 * half}?", f"Split {2 * half} in two equal parts. How big is each?"], half)


def more_than(rng: Random) -> Item:
    """The number that is 4 more than 9."""
    a, b = rng.randint(1, 20), rng.randint(1, 9)
    return _item(rng, [f"Which number is {b} more than {a}?", f"Start at {a} and count up {b}. Where are you?"], a + b)


def multiply_then_add(rng: Random) -> Item:
    """2 * 3 + 4."""
    a, b, c = rng.randint(2, 5), rng.randint(2, 5), rng.randint(1, 9)
    return _item(rng, [f"What is {a} * {b} + {c}?", f"Work out {a} * {b} + {c}."], a * b + c)
