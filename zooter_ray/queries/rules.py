"""Tag queries by cheap rules: each tag has a pattern, and a query may have several tags or none.

Queries may be very long, so every pattern is found in linear time: repetitions are bounded, and where one thing must
stand somewhere behind another, the two are searched for in turn.
"""

import re
from typing import NamedTuple


class Behind(NamedTuple):
    """A pattern, found anywhere behind another one."""

    first: str
    then: str


HOW_MANY = r"\bhow (?:many|much)\b"
RULES: dict[str, str | Behind | tuple[str | Behind, ...]] = {
    "arithmetic": r"\d\s*(?:[-+*/×÷]|plus|minus|times|divided by|multiplied by)\s*\d|\b(?:sum|product|difference) of\b"
    r"|\b(?:square|half|double|twice|percent)\b|\bhow much is\b",
    "number problem": (Behind(HOW_MANY, r"\d"), Behind(r"\d", r"\bhow (?:many|much|old|long|far)\b")),
    "comparison": r"\b(?:largest|smallest|bigger|biggest|greater|greatest|highest|lowest|longest|shortest)\b",
    "multiple choice": r"(?m)^[ \t]{0,20}\(?[A-D][).:]\s",
    "code": r"\bpython\b|\bfunction\b|\bdef \w+\(|```",
    "string function": Behind(r"\bfunction\b", r"\b(?:string|text|word|letter|character)s?\b"),
    "list function": Behind(r"\bfunction\b", r"\b(?:list|items|elements)\b"),
    "rewriting": r"\b(?:rewrite|change|convert|turn|replace|reverse|repeat|spell)\b"
    r"|\b(?:capitals|capital letters?|(?:upp|low)er ?case)\b",
    "ordering": r"\b(?:sort|alphabetical|order|backwards|reverse)\b",
    "extraction": (
        Behind(
            r"\b(?:extract|find|which|what|who)\b", r"\b(?:in|from) th(?:e|is) (?:sentence|text|line|message|note)\b"
        ),
        r"\b(?:sentence|text|note|message):",
    ),
    "contact data": r"[\w.]@\w|\b(?:e-?mail|phone|address)\b",
    "date": r"\b(?:monday|tuesday|wednesday|thursday|friday|saturday|sunday|january|february|march|april|june|july"
    r"|august|september|october|november|december|day|month|year)s?\b",
    "geography": r"\b(?:capital (?:city )?of|country|continent|river|city|ocean)\b",
    "science": r"\b(?:chemical|symbol|element|planet|animal|water|boil|freeze|gas|metal|sun|moon|earth)\b",
    "language": r"\b(?:opposite|plural|synonym|antonym|past tense|rhymes?|meaning|verb|noun|adjective)\b",
    "literature": r"\b(?:wrote|author|novel|poem|play|book)\b",
    "completion": r"_{2,}|\bcomplete\b|\bfill in\b|\bcomes next\b|\.\.\.$",
}


def rule_tags(query: str) -> list[str]:
    """The tags whose pattern is found in the query."""
    return [tag for tag, rule in RULES.items() if _found(rule, query)]


def _found(rule: str | Behind | tuple[str | Behind, ...], query: str) -> bool:
    if isinstance(rule, str):
        return re.search(rule, query, re.IGNORECASE) is not None
    if isinstance(rule, Behind):
        first = re.search(rule.first, query, re.IGNORECASE)
        return first is not None and re.compile(rule.then, re.IGNORECASE).search(query, first.end()) is not None
    return any(_found(one, query) for one in rule)
