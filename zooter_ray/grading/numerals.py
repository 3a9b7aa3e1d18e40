"""What counts as a number in running text, and its exact value.

A number may have a sign (also the Unicode minus), a currency sign, commas between thousands, decimals, an exponent
or a denominator: -3, $1,234.50, 1e-3, 3/4, \\frac{3}{4}. A percent sign or unit behind it is ignored: 50% is 50.
Digits that continue a word (H2O, x2) or a version (the last part of 1.2.3) are not numbers.
"""

import re
from decimal import Decimal

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|(?<!\.)\.[0-9]+"
_SIGN = r"(?:(?<![\w)])[-+][$€£]?|[$€£][-+]?)?"
# As the source of a pattern, so that others can embed it. It has no groups.
NUMBER = (
    rf"(?<![A-Za-z_0-9])(?<![0-9]\.){_SIGN}(?:{_DIGITS})(?:[eE][-+]?[0-9]{{1,3}}(?!\w))?(?:\s?/\s?[0-9]+(?:\.[0-9]+)?)?"
)

_MINUS_SIGNS = str.maketrans({"\N{MINUS SIGN}": "-", "\N{FULLWIDTH HYPHEN-MINUS}": "-", "\N{SMALL HYPHEN-MINUS}": "-"})
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\{([0-9.]+)\}\{([0-9.]+)\}")
_LATEX_SPACING = re.compile(r"(?<=[0-9])(?:\{,\}|\\,|,\\!)(?=[0-9])")
_WHOLE = re.compile(rf"\s*({NUMBER})\s*%?\s*")


def plain_numerals(text: str) -> str:
    r"""Rewrite the Unicode minus and LaTeX's 1{,}234, \frac{3}{4}, \$ and \% the way `NUMBER` expects them."""
    text = _LATEX_FRACTION.sub(r"\1/\2", text.translate(_MINUS_SIGNS))
    return _LATEX_SPACING.sub(",", text).replace("\\$", "$").replace("\\%", "%")


def number_value(token: str) -> Decimal | None:
    """Value of a text that `NUMBER` matched; None where the denominator is zero."""
    top, _, bottom = re.sub(r"[$€£,\s]", "", token).partition("/")
    if not bottom:
        return Decimal(top)
    return Decimal(top) / Decimal(bottom) if Decimal(bottom) else None


def parse_number(text: str) -> Decimal | None:
    """Value of a text that is one number and nothing else; None for any other text."""
    whole = _WHOLE.fullmatch(plain_numerals(text))
    return number_value(whole[1]) if whole else None
