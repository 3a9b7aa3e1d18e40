r"""Finds the final answer in a model's response.

Small base models often ramble on after their answer, and ask and answer questions of their own. Therefore a response
ends where a line other than its first opens a new question or turn ("Question: ...", "Q:", "Problem 2:", "User:"),
unless only a phrase like "Sure!" stands before it: then the question is repeated. What a model wrote while thinking
(<think> ... </think>) does not count (`final_part`). In what is left:

* An answer that says it is one wins: "#### 42" (GSM8K's end mark, the first of them), \boxed{42}, "the answer is 42"
  and "Answer: 42" (the last of them, since models correct themselves).
* Next comes an answer alone on the first line, or a letter that begins it, whatever follows.
* Only then the rest of the text is searched, and an ambiguous choice is none.
"""

import re
import string
from collections.abc import Sequence
from decimal import Decimal

from zooter_ray.grading.numerals import NUMBER, number_value, plain_numerals
from zooter_ray.grading.phrases import fold, phrase_pattern

_NEW_TURN = re.compile(
    r"^(?![ \t]*[*-][ \t])[ \t>*#_]*"  # a bullet ("* Student: $5") opens none
    r"(?:(?:Next |New )?(?:Question|Problem|Exercise)[ \t]*[0-9]*|Q(?:[0-9]+(?=.*\?))?|User|Human|Student)[ \t*_]*:",
    re.IGNORECASE | re.MULTILINE,
)
_PREAMBLE = re.compile(
    r"(?!.*\b(?:answer|option|choice)\b)(?:sure|ok|okay|certainly|of course|let|here|to (?:solve|find|answer))\b"
    r"[^\n0-9]{0,80}[.:!]?",
    re.IGNORECASE,
)

# Repetitions are bounded, so that no response can make a search slow.
_MARKUP = r"""[\s*_$\\({\[:~≈"'`]{0,12}"""
_ANSWER = r"(?i:\b(?:answer|ans)\b(?:[^.\n]{0,80}?\b(?:is|are|equals|be)\b|[ *_]{0,6}(?:[:=]|[-–—](?=\s))))"
_CORRECT_OPTION = (
    r"(?i:\b(?:(?:correct|right|best|final) (?:option|choice|one|letter) is|the letter is|it(?: is|['’]s))\b"
    r"|(?:^|\b(?:the|correct|right|best|final) )(?:option|choice|letter)[ *_]{0,6}:[ *_]{0,6}(?!\s))"
)

_HEDGE = r"(?:(?:about|approximately|exactly|only|just|simply|equal to)\s)?"
_LEFT_SIDES = r"(?:(?:\b[A-Za-z]\b|[0-9 .,$+*/×÷()-]){1,80}=){0,8}"
_TERM = r"\$?[0-9][0-9.,]{0,15}(?: [a-z]{1,15}){0,3}"  # 48 clips
_SUM = rf"(?:{_TERM}(?: ?[-+*/×÷] ?| x )(?:{_TERM}(?: ?[-+*/×÷] ?| x )){{0,3}}{_TERM} ?= ?)?"
_UNIT = r"(?:[a-z]{1,20}[ \t]){0,2}(?:[a-z]{1,20})?"  # a heading ("#### 2 Double it") has capitals
_END_MARK = re.compile(rf"^[ \t*_]*####[ \t*_]*({NUMBER})[ \t%*_]*{_UNIT}[.*_]*[ \t]*$", re.MULTILINE)
_IN_LIST = r"(?!(?<=\n[0-9])[.)] +\S)"  # "Answer:\n1. First ..."
_CALLED_NUMBER = re.compile(
    rf"(?:\\boxed\{{|{_ANSWER}){_MARKUP}{_HEDGE}{_MARKUP}{_LEFT_SIDES}{_SUM}{_MARKUP}({NUMBER}){_IN_LIST}"
)
_FIRST_LINE_NUMBER = re.compile(rf"\A{_MARKUP}({NUMBER})[ \t%.*_$\\)}}\]]*(?:\n|\Z)")
_EQUALS_AT_END = re.compile(rf"=\s?({NUMBER})[^=\n0-9]{{0,30}}(?:\^\{{?[0-9]\}}?)?[^=\n0-9]{{0,5}}\Z")
_ANY_NUMBER = re.compile(f"({NUMBER})")
_LATEX_FONT = re.compile(r"\\(?:text|math)(?:bf|it|rm)?\s?\{")
_DENIES = re.compile(r"\b(?:not|wrong|incorrect|false|unlikely)\b|n['’]t\b", re.IGNORECASE)

_LABEL = re.compile(r"^(?:(?:the )?(?:final |correct |short )?answer(?: is\b:?| ?:)|A:)", re.IGNORECASE)
_WRAPPING = " \t\r*`\"'“”‘’«»"


def final_part(text: str) -> str:
    """The response without thinking, up to where it turns to a new question; see the module's description."""
    text = without_thinking(text).strip()
    for new_turn in _NEW_TURN.finditer(text, 1):
        before = text[: new_turn.start()].rstrip()
        if not _PREAMBLE.fullmatch(before):
            return before
    return text


def without_thinking(text: str) -> str:
    """What follows the last thought; what was thought and not ended is cut as well."""
    return text.rpartition("</think>")[2].partition("<think>")[0]


def extract_number(text: str) -> Decimal | None:
    """Final number: one called the answer, else alone on the first line, behind "=" at the end, or just the last."""
    text = _LATEX_FONT.sub("{", plain_numerals(final_part(text)))
    end_mark = _END_MARK.search(text)
    if end_mark:
        return number_value(end_mark[1])
    for pattern in (_CALLED_NUMBER, _FIRST_LINE_NUMBER, _EQUALS_AT_END, _ANY_NUMBER):
        found: list[str] = pattern.findall(text)
        if found:
            return number_value(found[-1])
    return None


def extract_choice(text: str, choices: Sequence[str]) -> str | None:
    """Letter of the option that a response chooses; None if it names none, or more than one.

    A letter called the answer comes first, then one alone on the first line or at its beginning ("B) Rome"), then the
    only letter set off as one ("(B)", "B.", "option B"), then the only option whose text appears. An "A" or "I" that
    begins a phrase ("A dog is ...") is a word and no letter.
    """
    text = _LATEX_FONT.sub("{", final_part(text))
    letters = string.ascii_uppercase[: len(choices)]
    called = list(_called_letter(letters).finditer(text))
    if called:
        return called[-1][called[-1].lastindex or 0].upper()
    first_line = text.partition("\n")[0].strip(" \t*_`()[].{}$!").upper()
    if len(first_line) == 1 and first_line in letters:
        return first_line
    leading = _leading_letter(text, choices)
    if leading is not None:
        return leading
    set_off = set(_set_off_letters(text, letters))
    if set_off:
        return set_off.pop() if len(set_off) == 1 else None
    return _only_option(text, choices)


def extract_short_answer(text: str) -> str:
    """First line that says something, as `bare_answer`; "" if there is none.

    A first line that ends in a colon ("Sure, here it is:") only introduces the answer on the next one.
    """
    lines = [line for line in final_part(text).split("\n") if not line.lstrip().startswith("```")]
    answers = [answer for answer in map(bare_answer, lines) if answer]
    if len(answers) > 1 and answers[0].endswith(":"):
        return answers[1]
    return answers[0] if answers else ""


def bare_answer(line: str) -> str:
    """A line without "Answer:" or "The answer is", quotation marks, bold, and full stop."""
    previous = None
    while line != previous:
        previous = line
        line = _LABEL.sub("", line.strip(_WRAPPING)).removesuffix(".")
    return line


def _called_letter(letters: str) -> re.Pattern[str]:
    """A letter that the response calls its answer, in any of three groups."""
    # "Answer: A or B" calls none.
    alone = rf"(?![)*.\]]{{0,3}}\s?(?:,|/|&|or\b|and\b)\s?[(*]{{0,3}}[{letters}]\b)"
    small = rf"([{letters.lower()}])(?=\)|[.*\]}}$]{{0,4}}[ \t]*(?:\n|\Z))"
    label = rf"(?:\\boxed\{{|{_ANSWER}|{_CORRECT_OPTION}|^A:)"
    noun = r"(?i:(?:option|choice|letter)\s)?"
    praise = r"[)*.]{0,3} is (?:the )?(?:correct|right|best|answer)\b"
    return re.compile(
        rf"{label}{_MARKUP}{noun}{_MARKUP}(?:{_capital(letters)}{alone}|{small})|(?<![\w'])([{letters}]){praise}",
        re.MULTILINE,
    )


def _leading_letter(text: str, choices: Sequence[str]) -> str | None:
    """The letter that a response begins with, if its option's text follows or its line names no other letter.

    None where the line denies something ("A) is wrong"), or B is next after A: then the options are only repeated.
    """
    letters = string.ascii_uppercase[: len(choices)]
    head = re.match(rf"[\s*_(]{{0,6}}(?!A[*]*:)([{letters}])[*]{{0,2}}[).:][*]{{0,2}}[ \t]+[*]{{0,2}}", text)
    if not head:
        return None
    letter, rest = head[1], text[head.end() :]
    following = next((other for other in _set_off_letters(rest, letters) if other != letter), None)
    if letter == letters[0] and following == letters[1]:
        return None
    choice = choices[letters.index(letter)]
    if re.match(rf"{re.escape(choice.strip())}[\s*_\"]*(?:[.\n;,:(–—-]|\Z)", rest, re.IGNORECASE):
        return letter
    line = rest.partition("\n")[0]
    return None if _DENIES.search(line) or set(_set_off_letters(line, letters)) - {letter} else letter


def _set_off_letters(text: str, letters: str) -> list[str]:
    """The letters set off as such, in their order."""
    return [match[match.lastindex or 0].upper() for match in _set_off_letter(letters).finditer(text)]


def _set_off_letter(letters: str) -> re.Pattern[str]:
    """A letter set off as one anywhere, in any of five groups."""
    # "A:" labels the whole answer as often as it names the first option, so that it decides nothing.
    headed = rf"^[\s*(]{{0,6}}(?!A[*]*:)([{letters}])[*]{{0,2}}[).:](?=[\s*]|\Z)"
    own_line = rf"^(?i:(?:so|thus|hence|therefore),?\s)?[ \t*(\[]{{0,6}}([{letters}])[ \t*)\].]{{0,6}}$"
    named = rf"\b(?i:option|choice|choose|chose|select|pick|go with|go for)\s[(*]{{0,3}}{_capital(letters)}"
    either_case = letters + letters.lower()
    return re.compile(rf"\(([{either_case}])\)|\*\*([{letters}])[.)]?\*\*|{headed}|{own_line}|{named}", re.MULTILINE)


def _capital(letters: str) -> str:
    """A capital that ends a word; "A" and "I" may be words themselves, so that few words may follow them."""
    return rf"([{letters}])(?![\w'’])(?!(?<=[AI])\s(?!because\b|since\b|as\b)[a-z])"


def _only_option(text: str, choices: Sequence[str]) -> str | None:
    """Letter of the only option whose text appears; "Paris, Texas" does not count as "Paris" too."""
    rest, found = fold(text), []
    for letter, choice in sorted(zip(string.ascii_uppercase, choices, strict=False), key=lambda pair: -len(pair[1])):
        rest, count = phrase_pattern(choice).subn("\0", rest)
        found += [letter] if count else []
    return found[0] if len(found) == 1 else None
