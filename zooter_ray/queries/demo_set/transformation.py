"""Small changes to a word, or to a short list of words or numbers."""

from __future__ import annotations

from random import Random
from typing import Any

from zooter_ray.queries.demo_set import references
from zooter_ray.queries.demo_set.phrasing import NUMBER_FORMS, TEXT_FORMS, WORD_FORMS, pairs, with_form, words
from zooter_ray.queries.demo_set.templates import Item, Template, generated

_LETTER_FORMS = ("Answer with one letter.", "Reply with just the letter.", "Give only the letter.")


def templates() -> list[Template]:
    """The templates of the kind."""
    train = [upper_case, title_case, lower_case, reverse_word, replace_letter, remove_letter, repeat_word]
    train += [last_letter, sort_words, count_letters, past_tense, join_parts]
    evaluation = [first_letter, sort_numbers, swap_words, plural_form, comparative_form, spell_with_dashes]
    return [generated("train", 6, make) for make in train] + [generated("eval", 5, make) for make in evaluation]


def _item(rng: Random, asks: list[str], forms: tuple[str, ...], reference: dict[str, Any]) -> Item:
    return Item(with_form(rng, rng.choice(asks), forms), reference, key=asks[0])


def upper_case(rng: Random) -> Item:
    """A word in capitals."""
    word = rng.choice(words("word"))
    asks = [f'Write the word "{word}" in capital letters.', f'Convert "{word}" to uppercase.']
    return _item(rng, asks, TEXT_FORMS, references.exact(word.upper(), case_sensitive=True))


def title_case(rng: Random) -> Item:
    """Two words, each with a capital."""
    text = " ".join(rng.sample(words("word"), 2))
    asks = [f'Put "{text}" in title case.', f'Start each word of "{text}" with a capital letter.']
    return _item(rng, asks, TEXT_FORMS, references.exact(text.title(), case_sensitive=True))


def reverse_word(rng: Random) -> Item:
    """A word of three letters, backwards."""
    word = rng.choice(words("short_word"))
    asks = [f'Spell "{word}" backwards.', f'Reverse the letters of the word "{word}".']
    return _item(rng, asks, TEXT_FORMS, references.contains(word[::-1]))


def replace_letter(rng: Random) -> Item:
    """A word of three letters with another first letter."""
    word = rng.choice(words("short_word"))
    new = rng.choice([letter for letter in "bdfghlmprst" if letter not in word])
    asks = [
        f'Replace the letter "{word[0]}" in "{word}" with "{new}".',
        f'Change the first letter of "{word}" to "{new}".',
    ]
    return _item(rng, asks, WORD_FORMS, references.contains(new + word[1:]))


def remove_letter(rng: Random) -> Item:
    """A word without its first letter."""
    word = rng.choice(words("word"))
    asks = [f'Remove the first letter of "{word}". What remains?', f'What is "{word}" without its first letter?']
    return _item(rng, asks, TEXT_FORMS, references.exact(word[1:]))


def plural_form(rng: Random) -> Item:
    """More than one of it."""
    one, many = rng.choice(pairs("plural"))
    asks = [f'What is the plural of "{one}"?', f"One {one}, but two ...?"]
    return _item(rng, asks, WORD_FORMS, references.contains(many))


def repeat_word(rng: Random) -> Item:
    """A word, several times."""
    word, times = rng.choice(words("short_word")), rng.randint(2, 4)
    asks = [f'Write the word "{word}" {times} times, separated by spaces.', f'Say "{word}" {times} times with spaces.']
    return _item(rng, asks, TEXT_FORMS, references.exact(" ".join([word] * times)))


def first_letter(rng: Random) -> Item:
    """The letter that a word begins with."""
    word = rng.choice(words("word"))
    asks = [f'What is the first letter of "{word}"?', f'Which letter does the word "{word}" start with?']
    return _item(rng, asks, _LETTER_FORMS, references.exact(word[0]))


def sort_numbers(rng: Random) -> Item:
    """Three numbers, from small to large."""
    numbers = rng.sample(range(1, 30), 3)
    given = [max(numbers), *(n for n in numbers if n != max(numbers))]
    shown = ", ".join(map(str, given))
    asks = [f"Sort these numbers from smallest to largest: {shown}.", f"Put {shown} in increasing order."]
    return _item(rng, asks, TEXT_FORMS, _in_order([str(n) for n in sorted(numbers)]))


def count_letters(rng: Random) -> Item:
    """The length of a word."""
    word = rng.choice(words("word") + words("short_word"))
    asks = [f'How many letters are in the word "{word}"?', f'Count the letters of "{word}".']
    return _item(rng, asks, NUMBER_FORMS, references.number(len(word)))


def past_tense(rng: Random) -> Item:
    """A verb, yesterday."""
    today, yesterday = rng.choice(pairs("past"))
    asks = [f'What is the past tense of "{today}"?', f"Fill in the verb: today I {today}, yesterday I ..."]
    return _item(rng, asks, WORD_FORMS, references.contains(yesterday))


def join_parts(rng: Random) -> Item:
    """Two words that make one."""
    parts, whole = rng.choice(pairs("compound"))
    first, second = parts.split()
    asks = [f'Join "{first}" and "{second}" into one word.', f"Which word do you get from {first} + {second}?"]
    return _item(rng, asks, WORD_FORMS, references.contains(whole))


def lower_case(rng: Random) -> Item:
    """A word without capitals."""
    word = rng.choice(words("word"))
    asks = [f"Write {word.upper()} in small letters.", f"Make {word.upper()} lowercase."]
    return _item(rng, asks, TEXT_FORMS, references.exact(word, case_sensitive=True))


def last_letter(rng: Random) -> Item:
    """The letter that a word ends with."""
    word = rng.choice(words("short_word"))
    asks = [f'Which letter is at the end of "{word}"?', f'Name the last letter of "{word}".']
    return _item(rng, asks, _LETTER_FORMS, references.exact(word[-1]))


def sort_words(rng: Random) -> Item:
    """Three words in the order of the alphabet."""
    given = rng.sample(words("animal"), 3)
    given = given[::-1] if given == sorted(given) else given
    asks = [f"List in alphabetical order: {', '.join(given)}.", f"Sort {', '.join(given)} from A to Z."]
    return _item(rng, asks, TEXT_FORMS, _in_order(sorted(given)))


def swap_words(rng: Random) -> Item:
    """Two words, the other way round."""
    first, second = rng.sample(words("colour"), 2)
    asks = [f'Swap the two words in "{first} {second}".', f'Write "{first} {second}" with the second word first.']
    return _item(rng, asks, TEXT_FORMS, references.contains(f"{second} {first}"))


def comparative_form(rng: Random) -> Item:
    """More of a quality."""
    plain, more = rng.choice(pairs("comparative"))
    asks = [f'What is the comparative of "{plain}"?', f"This one is {plain}, but that one is even ..."]
    return _item(rng, asks, WORD_FORMS, references.contains(more))


def spell_with_dashes(rng: Random) -> Item:
    """A word of three letters, letter by letter."""
    word = rng.choice(words("short_word"))
    asks = [
        f'Put dashes between the letters of "{word}".',
        f'Spell "{word}" with a dash after each letter but the last.',
    ]
    return _item(rng, asks, TEXT_FORMS, references.contains("-".join(word)))


def _in_order(items: list[str]) -> dict[str, Any]:
    return references.contains(", ".join(items), ",".join(items), " ".join(items))
