"""What a judge is asked about an expert's answers, and how its reply is read: strictly, or not at all.

The judge itself is an engine of the stages; this file neither starts nor asks one.
"""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNREADABLE = "no verdict in the judge's reply"
PLACE = re.compile(r"\{(\w+)\}")
RATING = re.compile(r"\[\[(\d{1,3}(?:\.\d{1,3})?)\]\]")
LAST_OBJECT = re.compile(r"^[ \t*]{0,9}(\{[^{}]*\})[\s*`]*\Z", re.MULTILINE)
NOT_APPLICABLE = ("n/a", "na", "not applicable")
CHOICE = re.compile(r"\[\[([ABC])\]\]")


@dataclass(frozen=True)
class Question:
    """A template, what fills its places, and maybe a system prompt.

    The places {answer} and {answer_1}, {answer_2} are kept for the expert's answers, turn by turn.
    """

    template: str
    known: Mapping[str, str]
    system: str | None = None


def asked(question: Question, answers: Sequence[str]) -> str:
    """The question about these answers; what looks like a place inside a text that was put in stays as it is."""
    numbered = {f"answer_{number}": answer for number, answer in enumerate(answers, start=1)}
    texts = {**question.known, "answer": answers[0], **numbered}
    return PLACE.sub(lambda place: texts.get(place[1], place[0]), question.template)


def read_rating(reply: str, low: float, high: float) -> float | None:
    """The one rating `[[n]]` in a reply; None if there is none, if there are several, or if it is off the scale."""
    found = {float(rating) for rating in RATING.findall(reply)}
    return found.pop() if len(found) == 1 and low <= min(found) <= high else None


def read_choice(reply: str) -> str | None:
    """A, B or C (a tie) out of the one `[[A]]` in a reply; None if there is none, or if there are several."""
    found = set(CHOICE.findall(reply))
    return found.pop() if len(found) == 1 else None


def read_ratings(reply: str, names: Sequence[str], low: int, high: int) -> dict[str, int] | None:
    """The ratings by name out of the object that ends a reply, in JSON or as Python writes it; None as `ratings_of`.

    It begins a line, and may have several; what closes a block of code or bold type does not count.
    """
    found = LAST_OBJECT.search(reply)
    return None if found is None else ratings_of(_decoded(found[1]), names, low, high)


def ratings_of(told: object, names: Sequence[str], low: int, high: int) -> dict[str, int] | None:
    """The ratings by name, without those that are N/A; None unless all these names are there, no others, and one rated.

    Names may be in other case, or have underscores for spaces. Every rating is a whole number from `low` to `high`.
    """
    if not isinstance(told, Mapping):
        return None
    known = {_plain(name): name for name in names}
    ratings = {known.get(_plain(str(name))): rating for name, rating in told.items()}
    if set(ratings) != set(names) or len(told) != len(names):
        return None
    given = {name: rating for name, rating in ratings.items() if name and _plain(str(rating)) not in NOT_APPLICABLE}
    whole = all(type(rating) in (int, float) and rating in range(low, high + 1) for rating in given.values())
    return {name: int(rating) for name, rating in given.items()} if given and whole else None


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _plain(text: str) -> str:
    return text.replace("_", " ").strip().casefold()
