"""A piece of text above, on or below its line, for the formats that place runs of letters."""

from typing import Literal

from index.parsing.superscript import subscript, superscript

Place = Literal["line", "raised", "lowered"]


def placed(before: str, text: str, place: Place) -> str:
    """A piece of text as it follows the text before it, with a mark where its place says more.

    Args:
        before: what stands before it on the line; the end of it is enough.
        text: the piece.
        place: whether it stands on the line, above or below it.
    """
    if place == "line" or not text.strip():
        return text
    write = superscript if place == "raised" else subscript
    return write(before, text) + text[len(text.rstrip()) :]
