"""Cuts long texts by their characters, before anything is tokenised.

A tokenizer takes a second for a megabyte; what is cut first is tokenised piece by piece, in turn
with the texts of others.

    text    |.....................................|
    pieces  |------------|
                      |------------|                     each begins in the one before it
                                |-----------------|
"""

import re

_BLANKS = (" ", "\n", "\t")
_SENTENCE_END = re.compile(r"(?<=[.!?:;|])\s+|\n+")


def cut(text: str, *, size: int, overlap: int) -> list[str]:
    """Cuts a text into overlapping pieces, at blanks where there are any; takes linear time.

    Args:
        text: of any length.
        size: most characters of a piece, at least 4.
        overlap: about how many characters a piece shares with the one before; at most a quarter of
            `size`.

    Returns:
        At least one piece; every character stands in one, but for blanks at the cuts.
    """
    pieces, start = [], 0
    while len(text) - start > size:
        end = _last_blank(text, start + size // 2, start + size)
        pieces.append(text[start:end])
        start = _last_blank(text, end - overlap, end - overlap // 2)
    return [*pieces, text[start:]]


def _last_blank(text: str, start: int, end: int) -> int:
    """Gives the place of the last blank in `text[start:end]`; `end` where there is none."""
    found = max(text.rfind(blank, start, end) for blank in _BLANKS)
    return end if found < 0 else found


def sentences(text: str, *, least: int) -> list[str]:
    """Cuts a text at the ends of sentences and lines, into parts of at least so many characters.

    A shorter text is one part, a blank one none.
    """
    parts: list[str] = []
    open_part = ""
    for found in _SENTENCE_END.split(text):
        open_part = f"{open_part} {found.strip()}".strip()
        if len(open_part) >= least:
            parts.append(open_part)
            open_part = ""
    if open_part and parts:
        parts[-1] += f" {open_part}"
    return parts or ([open_part] if open_part else [])
