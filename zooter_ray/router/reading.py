"""How a router reads queries: token ids, cut to its length, of texts of any length.

A tokenizer reads a text whole before it cuts it, which takes about a second for a megabyte. Here it is given as much
of a long text as its first (or last) tokens need: a piece. The tokens kept are the same, since tokenizers split a text
into words first, and what a word becomes depends on the word alone: only words at the cut of a piece are in doubt.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

CHARACTERS_PER_TOKEN = 16  # most texts have 3 to 5
GROWTH = 8  # of a piece that held too few words
MARGIN = 64  # characters at a cut that are not relied on: further than any tokenizer looks from where it splits
BOUNDARY = re.compile(r"(?<=\S) (?=\S)")  # where every tokenizer splits, whatever stands in front


def read(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[list[int]]:
    """Token ids of each text: those of `tokenizer(texts, truncation=True, max_length=max_length)`.

    Half of a surrogate pair, which JSON can hold, is no character; it is read as U+FFFD.
    """
    whole = [_well_formed(text) for text in texts]
    result: list[list[int]] = [[] for _ in whole]
    rows, size = list(range(len(whole))), CHARACTERS_PER_TOKEN * max_length
    while rows:
        pieces = [
            _piece(whole[row], size, tokenizer.truncation_side) if tokenizer.is_fast else whole[row] for row in rows
        ]
        encoded = tokenizer(pieces, truncation=True, max_length=max_length)
        again = []
        for number, (row, piece) in enumerate(zip(rows, pieces, strict=True)):
            result[row] = encoded["input_ids"][number]
            if len(piece) < len(whole[row]) and not _certain(
                encoded.encodings[number], piece, tokenizer.truncation_side
            ):
                again.append(row)
        rows, size = again, size * GROWTH
    return result


def _well_formed(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _piece(text: str, size: int, side: str) -> str:
    """About `size` characters of the end of a text that is kept; the text if it is not longer, or has no boundary."""
    if len(text) <= size:
        return text
    if side == "right":
        return text[:size]
    boundary = BOUNDARY.search(text, len(text) - size)
    return text[boundary.start() :] if boundary else text


def _certain(encoding: Any, piece: str, side: str) -> bool:
    """Whether the tokens that were kept of a piece are those of the whole text.

    They are if something was cut off, and the last word that was kept (the first, if the left is cut) ends before
    the margin.
    """
    words = [word for word in encoding.word_ids if word is not None]
    if not encoding.overflowing or not words:
        return False
    edge = words[-1] if side == "right" else words[0]
    spans = list(_spans_of(edge, [encoding, *encoding.overflowing]))
    if side == "right":
        return bool(max(end for _, end in spans) <= len(piece) - MARGIN)
    return bool(min(start for start, _ in spans) >= MARGIN)


def _spans_of(word: int, encodings: Iterable[Any]) -> Iterable[tuple[int, int]]:
    """Characters (start, end) of every token of a word."""
    for encoding in encodings:
        for found, span in zip(encoding.word_ids, encoding.offsets, strict=True):
            if found == word:
                yield span
