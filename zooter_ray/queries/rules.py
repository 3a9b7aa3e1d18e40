"""Tag queries by cheap rules: each tag has a pattern, and a query may have several tags or none."""

import re

RULES = {
    "arithmetic": r"\d\s*(?:[-+*/×÷]|plus|minus|times|divided by|multiplied by)\s*\d|\b(?:sum|product|difference) of\b"
    r"|\b(?:square|half|double|twice|percent)\b|\bhow much is\b",
    "number problem": r"\bhow (?:many|much)\b.*\d|\d.*\bhow (?:many|much|old|long|far)\b",
    "comparison": r"\b(?:largest|smallest|bigger|biggest|greater|greatest|highest|lowest|longest|shortest)\b",
    "multiple choice": r"(?m)^\s*\(?[A-D][).:]\s",
    "code": r"\bpython\b|\bfunction\b|\bdef \w+\(|```",
    "string function": r"\bfunction\b.*\b(?:string|text|word|letter|character)s?\b",
    "list function": r"\bfunction\b.*\b(?:list|items|elements)\b",
    "rewriting": r"\b(?:rewrite|change|convert|turn|replace|reverse|repeat|spell)\b"
    r"|\b(?:capitals|capital letters?|(?:upp|low)er ?case)\b",
    "ordering": r"\b(?:sort|alphabetical|order|backwards|reverse)\b",
    "extraction": r"\b(?:extract|find|which|what|who)\b.*\b(?:in|from) th(?:e|is) (?:sentence|text|line|message|note)\b"
    r"|\b(?:sentence|text|note|message):",
    "contact data": r"\b[\w.]+@[\w.]+\b|\b(?:e-?mail|phone|address)\b",
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
    return [tag for tag, pattern in RULES.items() if re.search(pattern, query, re.IGNORECASE | re.DOTALL)]
