"""Sums with a story of one or two sentences."""

from __future__ import annotations

from random import Random

from zooter_ray.queries.demo_set import references
from zooter_ray.queries.demo_set.phrasing import NUMBER_FORMS, load, with_form, words
from zooter_ray.queries.demo_set.templates import Item, Template, generated


def templates() -> list[Template]:
    """The templates of the kind."""
    train = [buy_more, give_away, parts_of_many, share_equally, older_later, price_of_many, change_from_note]
    train += [pages_left, pick_and_eat, bus_stop]
    evaluation = [boxes_of, how_many_more, hour_of_the_end, walk_every_day, two_groups]
    return [generated("train", 7, make) for make in train] + [generated("eval", 6, make) for make in evaluation]


def _item(rng: Random, story: str, question: str, answer: int) -> Item:
    return Item(with_form(rng, f"{story} {question}", NUMBER_FORMS), references.number(answer), key=story)


def _who_and_what(rng: Random) -> tuple[str, str]:
    return rng.choice(words("name")), rng.choice(words("thing"))


def buy_more(rng: Random) -> Item:
    """Some, and some more."""
    (who, what), a, b = _who_and_what(rng), rng.randint(2, 10), rng.randint(1, 6)
    verb = rng.choice(["buys", "finds", "gets"])
    return _item(rng, f"{who} has {a} {what} and {verb} {b} more.", f"How many {what} does {who} have now?", a + b)


def give_away(rng: Random) -> Item:
    """Some, less some."""
    (who, what), b, rest = _who_and_what(rng), rng.randint(1, 5), rng.randint(1, 7)
    verb = rng.choice(["gives away", "loses", "sells"])
    return _item(rng, f"{who} had {b + rest} {what} and {verb} {b}.", f"How many {what} are left?", rest)


def boxes_of(rng: Random) -> Item:
    """Equal groups."""
    what, box = rng.choice(words("thing")), rng.choice(["boxes", "bags", "baskets"])
    a, b = rng.randint(2, 9), rng.randint(2, 10)
    return _item(rng, f"There are {a} {box} with {b} {what} in each.", f"How many {what} are there in total?", a * b)


def share_equally(rng: Random) -> Item:
    """Equal shares."""
    what, people, each = rng.choice(words("thing")), rng.randint(2, 6), rng.randint(1, 8)
    story = f"{people} children share {people * each} {what} equally."
    return _item(rng, story, f"How many {what} does each child get?", each)


def older_later(rng: Random) -> Item:
    """An age in some years."""
    who, age, years = rng.choice(words("name")), rng.randint(3, 40), rng.randint(2, 10)
    return _item(rng, f"{who} is {age} years old today.", f"How old will {who} be in {years} years?", age + years)


def price_of_many(rng: Random) -> Item:
    """Several things at one price."""
    what, price, count = rng.choice(words("goods")), rng.randint(2, 10), rng.randint(2, 6)
    return _item(rng, f"One {what} costs {price} dollars.", f"How many dollars do {count} of them cost?", price * count)


def change_from_note(rng: Random) -> Item:
    """Money that comes back."""
    (who, note), what = (rng.choice(words("name")), rng.choice([10, 20, 50])), rng.choice(words("goods"))
    price = rng.randint(2, 9)
    story = f"{who} pays for a {price} dollar {what} with a {note} dollar bill."
    return _item(rng, story, "How many dollars does the shop give back?", note - price)


def walk_every_day(rng: Random) -> Item:
    """The same way for some days."""
    who, a, b = rng.choice(words("name")), rng.randint(2, 6), rng.randint(2, 7)
    verb = rng.choice(["walks", "runs", "cycles"])
    return _item(rng, f"{who} {verb} {a} km every day.", f"How many km is that in {b} days?", a * b)


def pick_and_eat(rng: Random) -> Item:
    """Some, some more, and then fewer."""
    (who, c), what = (rng.choice(words("name")), rng.randint(1, 4)), rng.choice(words("fruit"))
    a, b = rng.randint(3, 9), rng.randint(2, 6)
    story = f"{who} picks {a} {what} in the morning and {b} in the evening, then eats {c}."
    return _item(rng, story, f"How many {what} remain?", a + b - c)


def bus_stop(rng: Random) -> Item:
    """Some get off and some get on."""
    off, on, stay = rng.randint(1, 5), rng.randint(1, 6), rng.randint(3, 9)
    story = f"A bus carries {off + stay} people. At a stop {off} get off and {on} get on."
    return _item(rng, story, "How many people are on the bus now?", stay + on)


def parts_of_many(rng: Random) -> Item:
    """Legs of dogs, wheels of cars: the number of parts of each is common knowledge."""
    (thing, (part, each)), count = rng.choice(list(load("words")["parts"].items())), rng.randint(2, 12)
    return _item(rng, f"A child draws {count} {thing}.", f"How many {part} do they have altogether?", count * each)


def how_many_more(rng: Random) -> Item:
    """Two amounts, compared."""
    (first, second), what = rng.sample(words("name"), 2), rng.choice(words("thing"))
    a, more = rng.randint(1, 12), rng.randint(1, 9)
    story = f"{first} owns {a + more} {what}, but {second} owns only {a}."
    return _item(rng, story, f"How many more {what} does {first} own?", more)


def hour_of_the_end(rng: Random) -> Item:
    """A start and a length in hours give an end before noon or midnight."""
    what, start, hours = rng.choice(words("event")), rng.randint(1, 8), rng.randint(2, 4)
    story = f"The {what} starts at {start} o'clock and lasts {hours} hours."
    return _item(rng, story, "At what hour does it end?", start + hours)


def pages_left(rng: Random) -> Item:
    """What remains of a long thing."""
    who, done, left = rng.choice(words("name")), 5 * rng.randint(1, 9), 5 * rng.randint(1, 9)
    story = f"A book has {done + left} pages. {who} is on page {done}."
    return _item(rng, story, "How many pages are still to read?", left)


def two_groups(rng: Random) -> Item:
    """Two kinds of thing, counted together."""
    (first, second), place = rng.sample(words("animals"), 2), rng.choice(["on a farm", "in a park", "in a zoo"])
    a, b = rng.randint(2, 12), rng.randint(2, 12)
    return _item(rng, f"{a} {first} and {b} {second} live {place}.", "How many animals is that?", a + b)
