r"""Finds the final answer in a model's response.

Small base models often ramble on after their answer, and ask and answer questions of their own. Therefore, for all
but code, a response ends where a line other than its first opens a new question or turn ("Question: ...", "Q:",
"Problem 2:", "User:"), and what a model wrote while thinking (<think> ... </think>) does not count (`final_part`).
In what is left:

* An answer that says it is one wins: "#### 42" (GSM8K's end mark, the first of them), \boxed{42}, "the answer is 42"
  and "Answer: 42" (the last of them, since models correct themselves).
* Next comes an answer alone on the first line, whatever follows it.
* Only then the rest of the text is searched, and an ambiguous choice is none.

Code ends where it no longer parses, which cuts prose and what was broken off.
"""

import ast
import re
import string
import textwrap
from collections.abc import Iterator, Sequence
from decimal import Decimal

from zooter_ray.grading.numerals import NUMBER, number_value, plain_numerals
from zooter_ray.grading.phrases import fold, phrase_pattern

_NEW_TURN = re.compile(
    r"^[ \t>*#_]*(?:(?:Next |New )?(?:Question|Problem|Exercise)[ \t]*[0-9]*|Q[0-9]*|User|Human|Student)[ \t*_]*:",
    re.IGNORECASE | re.MULTILINE,
)

# Repetitions are bounded, so that no response can make a search slow.
_MARKUP = r"""[\s*_$\\({\[:~≈"'`]{0,12}"""
_ANSWER = r"(?i:\banswer\b(?:[^.\n]{0,80}?\b(?:is|are|equals|be)\b|[ *_]{0,6}[:=]))"
_CORRECT_OPTION = r"(?i:\b(?:(?:correct|right|best) (?:option|choice|one|letter) is|it(?: is|['’]s)))\b"

_HEDGE = r"(?:(?:about|approximately|exactly|only|just|simply|equal to)\s)?"
_LEFT_SIDES = r"(?:(?:\b[A-Za-z]\b|[0-9 .,$+*/×÷()-]){1,80}=){0,8}"
_END_MARK = re.compile(rf"^[ \t]*####[ \t]*({NUMBER})[ \t]*%?\.?[ \t]*$", re.MULTILINE)
_CALLED_NUMBER = re.compile(rf"(?:\\boxed\{{|{_ANSWER}){_MARKUP}{_HEDGE}{_MARKUP}{_LEFT_SIDES}{_MARKUP}({NUMBER})")
_FIRST_LINE_NUMBER = re.compile(rf"\A{_MARKUP}({NUMBER})[ \t%.*_$\\)}}\]]*(?:\n|\Z)")
_EQUALS_AT_END = re.compile(rf"=\s?({NUMBER})[^=\n0-9]{{0,30}}(?:\^\{{?[0-9]\}}?)?[^=\n0-9]{{0,5}}\Z")
_ANY_NUMBER = re.compile(f"({NUMBER})")

_FENCE = re.compile(r"```[ \t]*[\w+-]*[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_CODE_LINE = re.compile(r"^(?:(?:def|async def|class|import|from)[ \t]+\w|@\w)", re.MULTILINE)

_LABEL = re.compile(r"^(?:(?:the )?(?:final |correct |short )?answer(?: is\b:?| ?:)|A:)", re.IGNORECASE)
_WRAPPING = " \t\r*`\"'“”‘’«»"


def final_part(text: str) -> str:
    """The response without thinking, up to where it turns to a new question; see the module's description."""
    text = text.rpartition("</think>")[2].partition("<think>")[0].strip()
    new_turn = _NEW_TURN.search(text, 1)
    return text[: new_turn.start()].rstrip() if new_turn else text


def extract_number(text: str) -> Decimal | None:
    """Final number: one called the answer, else alone on the first line, behind "=" at the end, or just the last."""
    text = plain_numerals(final_part(text))
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

    A letter called the answer comes first, then one alone on the first line, then the only letter set off as one
    ("(B)", "B.", "option B"), then the only option whose text appears. An "A" or "I" that begins a phrase ("A dog
    is ...") is a word and no letter.
    """
    text = final_part(text)
    letters = string.ascii_uppercase[: len(choices)]
    called = list(_called_letter(letters).finditer(text))
    if called:
        return called[-1][called[-1].lastindex or 0].upper()
    first_line = text.partition("\n")[0].strip(" \t*_`()[].{}$").upper()
    if len(first_line) == 1 and first_line in letters:
        return first_line
    set_off = {match[match.lastindex or 0].upper() for match in _set_off_letter(letters).finditer(text)}
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


def extract_code(text: str, entry_point: str, beginning: str = "") -> str:
    """Python source of a response, cut where it no longer parses; "" if there is none.

    The first fenced block that defines the entry point; else the text outside any fence from the first line on that
    looks like code, or from the entry point's definition on if prose looked like code; else the first fenced block.
    With a `beginning`, what it defines before the entry point goes before that; and where nothing defines the entry
    point, the response is the rest of its body, or else a fenced block is.
    """
    text = text.rpartition("</think>")[2].replace("\r\n", "\n")
    defines = re.compile(rf"^(?:(?:async +)?def|class) +{entry_point}\b|^{entry_point} *=", re.MULTILINE)
    codes = [_parsing_prefix(source) for source in (*_fenced(text), *_unfenced(text, defines))]
    found = next((code for code in codes if defines.search(code)), "")
    if not beginning:
        return found or next(filter(None, codes), "")
    if found:
        return f"{defines.split(beginning)[0]}\n{found}"
    head = beginning.rstrip()
    bodies = (text, *(textwrap.indent(block, "    ") for block in _fenced(text)))
    wholes = (_parsing_prefix(f"{head}\n{body}") for body in bodies)
    return next((whole for whole in wholes if len(whole.rstrip()) > len(head)), _parsing_prefix(head))


def _called_letter(letters: str) -> re.Pattern[str]:
    """A letter that the response calls its answer, in any of three groups."""
    # "Answer: A or B" calls none.
    alone = rf"(?![)*.\]]{{0,3}}\s?(?:,|/|&|or\b|and\b)\s?[(*]{{0,3}}[{letters}]\b)"
    small = rf"([{letters.lower()}])(?=\)|[.*\]}}$]{{0,4}}[ \t]*(?:\n|\Z))"
    label = rf"(?:\\boxed\{{(?:\\text\{{)?|{_ANSWER}|{_CORRECT_OPTION}|^A:)"
    noun = r"(?i:(?:option|choice|letter)\s)?"
    praise = r"[)*.]{0,3} is (?:the )?(?:correct|right|best)\b"
    return re.compile(
        rf"{label}{_MARKUP}{noun}{_MARKUP}(?:{_capital(letters)}{alone}|{small})|(?<![\w'])([{letters}]){praise}",
        re.MULTILINE,
    )


def _set_off_letter(letters: str) -> re.Pattern[str]:
    """A letter set off as one anywhere, in any of five groups."""
    # "A:" labels the whole answer as often as it names the first option, so that it decides nothing.
    headed = rf"^[\s*(]{{0,6}}(?!A[*]*:)([{letters}])[*]{{0,2}}[).:](?=[\s*]|\Z)"
    own_line = rf"^[ \t*(\[]{{0,6}}([{letters}])[ \t*)\].]{{0,6}}$"
    named = rf"\b(?i:option|choice|choose|chose|select|pick)\s[(*]{{0,3}}{_capital(letters)}"
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


def _fenced(text: str) -> Iterator[str]:
    for block in _FENCE.finditer(text):
        yield textwrap.dedent(block[1])


def _unfenced(text: str, defines: re.Pattern[str]) -> Iterator[str]:
    for pattern in (_CODE_LINE, defines):
        start = pattern.search(text)
        if start:
            yield text[start.start() :]


def _parsing_prefix(source: str) -> str:
    """Longest run of lines from the first on that parses, without prose that happens to parse."""
    lines = source.rstrip().split("\n")
    while lines:
        try:
            tree = ast.parse("\n".join(lines))
        except SyntaxError as error:
            # No prefix that still holds the line with the error can parse.
            lines = lines[: min(error.lineno or len(lines), len(lines)) - 1]
        except (ValueError, RecursionError, MemoryError):
            return ""
        else:
            prose = next((node.lineno for node in tree.body if _is_prose(node)), len(lines) + 1)
            return "\n".join(lines[: prose - 1])
    return ""


def _is_prose(statement: ast.stmt) -> bool:
    """Whether a statement computes nothing, like the lines "Explanation", "This is it" and "Output: hello"."""
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None
    return isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Call | ast.Constant)
