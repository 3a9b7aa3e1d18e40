"""Compares phrases the way a person does: whatever their case, width, spacing, and shape of quotation marks.

A phrase must stand alone: "cat" is not in "concatenate", nor 5 in 1.5 or 5,000. Letters without case (category Lo:
Han, kana, Thai, Arabic ...) need no boundary, since their scripts join words.
"""

import re
import unicodedata

_TYPOGRAPHY = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "‐": "-", "‑": "-", "−": "-"})


def fold(text: str, case_sensitive: bool = False) -> str:
    """Normalise (NFKC), unify quotation marks, hyphens and white space; casefold unless `case_sensitive`."""
    text = unicodedata.normalize("NFKC", text).translate(_TYPOGRAPHY)
    if not case_sensitive:
        text = unicodedata.normalize("NFKC", text.casefold())
    return " ".join(text.split())


def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """Pattern that finds a phrase standing alone in text that went through `fold`; `phrase` must not be blank."""
    folded = fold(phrase)
    before = r"(?<!\w)" if _needs_boundary(folded[0]) else ""
    after = r"(?!\w)" if _needs_boundary(folded[-1]) else ""
    if folded[0].isdigit():
        before += r"(?<![0-9][.,])(?<!(?<!\w)-)"
    if folded[-1].isdigit():
        after += r"(?![.,][0-9])"
    return re.compile(before + re.escape(folded) + after)


def _needs_boundary(character: str) -> bool:
    return (character.isalnum() or character == "_") and unicodedata.category(character) != "Lo"
