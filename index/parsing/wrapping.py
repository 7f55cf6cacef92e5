"""Lines that a program or a hand has wrapped, put together again."""

import re
from collections.abc import Iterable

# Scripts without blanks between words: Han, kana, Bopomofo, their punctuation, full-width forms.
CJK = (
    "\u2e80-\u303f\u3041-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff60"
    "\U00020000-\U0003ffff"
)
_WRAPPED_CJK = re.compile(rf"(?<=[{CJK}])[ \t]*\n[ \t]*(?=[{CJK}])")
_HYPHENATED = re.compile(r"[^\W\d_]-$")
_SUSPENDED = re.compile(
    r"(?:und|oder|bzw|sowie|and|or|to|nor|et|ou|y|en|of)\b"
)  # Vor- und Nachteile


def unwrap(text: str) -> str:
    """Takes out the line ends that stand between two characters of a script without blanks."""
    return _WRAPPED_CJK.sub("", text) if "\n" in text else text


def join_wrapped(lines: Iterable[str]) -> str:
    """Puts wrapped lines on one: a word cut at its hyphen is whole, Chinese gets no blanks.

    A hyphen stays before digits and capitals, where it belongs to the word: USB-C, KX-4412.
    """
    pieces: list[str] = []
    for line in map(str.strip, lines):
        if pieces:
            pieces[-1:] = _joint(pieces[-1], line)
        pieces.append(line)
    return unwrap("".join(pieces)).replace("\n", " ")


def _joint(line: str, following: str) -> tuple[str, str]:
    """What is left of a line, and what stands between it and the next."""
    if not _HYPHENATED.search(line):
        return line, "\n"
    if not following[:1].islower():
        return line, ""
    return (line, " ") if _SUSPENDED.match(following) else (line[:-1], "")
