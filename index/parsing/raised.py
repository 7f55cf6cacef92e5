"""Superscripts and subscripts in plain text: `10^6` is not `106`, and `note^2` is not `note2`."""

import re
from typing import Literal

Place = Literal["line", "raised", "lowered"]

# 1st, 2nd, 3rd, 4th, 1er, 2e, 2ème, Mme, No, 1a, 1o: letters that are raised for looks alone.
_ORDINAL = re.compile(r"st|nd|rd|th|ers?|re|nde|es?|è?me|os?|as?|º|ª|tm|®|™|sm", re.IGNORECASE)
_ONE_WORD = re.compile(r"[-−+±]?\w+")  # noqa: RUF001


def placed(before: str, text: str, place: Place) -> str:
    """A piece of text as it follows the text before it, with a mark where its place says more.

    Args:
        before: what stands before it on the line; only its end matters.
        text: the piece.
        place: whether it stands on the line, above or below it.
    """
    words = text.strip()
    if place == "line" or not words:
        return text
    if not before or before[-1].isspace() or _is_mere_style(before, words, place):
        return text
    mark = "^" if place == "raised" else "_"
    words = words if _ONE_WORD.fullmatch(words) else f"({words})"
    return mark + words + text[len(text.rstrip()) :]


def _is_mere_style(before: str, words: str, place: Place) -> bool:
    if not words[0].isalnum() and words[0] not in "-−+±(":  # noqa: RUF001
        return True
    if place == "raised":
        return bool(_ORDINAL.fullmatch(words))
    # H2O and Vmax are written so; 10_2 is not.
    return not (before[-1].isdigit() and words[0].isdigit())
