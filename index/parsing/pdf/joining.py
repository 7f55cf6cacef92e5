"""Joins the lines of a paragraph: blanks, and hyphens that may be of the line or of the word.

mainte-  +  nance   ->  maintenance        USB-  +  C       ->  USB-C
short-   +  and     ->  short- and         KX-   +  4412    ->  KX-4412
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from index.parsing.pdf.glyphs import HYPHEN
from index.parsing.pdf.segment import Line
from index.parsing.text_lines import ITEM
from index.parsing.wrapping import CJK

_SOFT = re.compile(f"(\\S*){HYPHEN}( ?)(\\S*)")
_AND = re.compile(r"(?:and|or|und|oder|et|ou|y|o|e|en|of|och|og|i|to|bis)\b", re.IGNORECASE)
_NO_BLANK = re.compile(f"[{CJK}]")
_UNFINISHED = re.compile(r"[^.!?:;,\-]$")


class Joiner:
    """Knows the words of the document, which tell what a hyphen at the end of a line is."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._words = {
            word.strip(".,;:!?()").lower() for line in lines for word in line.text.split()
        }

    def paragraphs(self, lines: Sequence[Line]) -> Iterator[str]:
        """The paragraphs and list items that lines make; wrapping alone parts none."""
        width = max(line.right - line.left for line in lines)
        piece = [lines[0]]
        for line, following in pairwise(lines):
            if _is_meant(line, following, width):
                yield self.joined([one.text for one in piece])
                piece = []
            piece.append(following)
        yield self.joined([one.text for one in piece])

    def joined(self, texts: Sequence[str]) -> str:
        """The texts of lines as one."""
        text = texts[0]
        for following in texts[1:]:
            wide = text and following and _NO_BLANK.match(text[-1]) and _NO_BLANK.match(following)
            text += following if wide else f" {following}"
        return _SOFT.sub(self._word, text)

    def _word(self, found: re.Match[str]) -> str:
        before, blank, after = found.groups()
        if not before or not after:
            return f"{before}-{blank}{after}"
        if _AND.fullmatch(after):
            return f"{before}- {after}"
        return f"{before}{'-' if self._is_of_the_word(before, after) else ''}{after}"

    def _is_of_the_word(self, before: str, after: str) -> bool:
        if not after[0].islower() or not before[-1].isalpha():
            return True
        if any(c.isdigit() for c in before) or (len(before) > 1 and before.isupper()):
            return True
        whole = after.strip(".,;:!?()").lower()
        head = before.strip(".,;:!?()").lower()
        return f"{head}-{whole}" in self._words and head + whole not in self._words


def _is_meant(line: Line, following: Line, width: float) -> bool:
    """Says whether the break between two lines is one of the text, not of its wrapping."""
    if line.text.endswith(HYPHEN):
        return False
    if ITEM.match(following.text):
        return True
    first_word = following.text.split(maxsplit=1)[0]
    letter = (line.right - line.left) / max(1, len(line.text))
    if line.right - line.left + letter * (1 + len(first_word)) > width:
        return False
    starts_anew = first_word[0].isupper() or first_word[0].isdigit()
    return starts_anew and bool(_UNFINISHED.search(line.text))
