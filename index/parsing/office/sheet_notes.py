"""What a sheet says apart from its rows, in the XML after them: merged cells, and formulas.

Found by patterns, not by a second parser: a sheet may have millions of cells.
"""

import re
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from index.parsing.table import MAX_COLUMNS, MAX_REPEATED_CHARS

_MAX_MERGES = 50_000
_READ_BYTES = 2**20
_OVERLAP_BYTES = 4096  # a match that is cut by the end of one read is found with the next
_MERGE = re.compile(
    rb'<(?:\w{1,9}:)?mergeCell\s[^<>]{0,99}?ref="([A-Z]{1,3})(\d{1,7}):([A-Z]{1,3})(\d{1,7})"'
)
_FORMULA = re.compile(rb"<(?:\w{1,9}:)?f[ >/]")
_RESULT = re.compile(
    rb"(?:</(?:\w{1,9}:)?f>|<(?:\w{1,9}:)?f(?: [^<>]{0,199})?/>)\s{0,9}<(?:\w{1,9}:)?v>[^<]"
)


@dataclass(order=True, slots=True)
class _Merge:
    """A merged range; rows and columns count from 1, `text` is read with its first cell."""

    top: int
    left: int
    bottom: int
    right: int
    text: str = ""


@dataclass
class SheetNotes:
    """Notes on one sheet. Ask `fill_merged` for its rows in their order."""

    merges: list[_Merge] = field(default_factory=list)
    is_uncalculated: bool = False
    _next: int = 0
    _open: list[_Merge] = field(default_factory=list)

    def fill_merged(self, number: int, texts: list[str]) -> list[str]:
        """Writes a merged value into each row and column that it spans.

        A row with nothing of its own stays as it is: the range goes on below its table.
        """
        while self._next < len(self.merges) and self.merges[self._next].top <= number:
            insort(self._open, self.merges[self._next])
            self._next += 1
        self._open = [merge for merge in self._open if merge.bottom >= number]
        if not self._open or not any(texts):
            return texts
        row = dict(enumerate(texts, start=1))
        for merge in self._open:
            if merge.top == number:
                merge.text = row.get(merge.left, "")
            if len(merge.text) <= MAX_REPEATED_CHARS:
                last = min(merge.right, merge.left + MAX_COLUMNS)
                row |= dict.fromkeys(range(merge.left, last + 1), merge.text)
        if sum(map(bool, texts)) == 1 and len(set(filter(None, row.values()))) == 1:
            return texts  # a title, however far it spans
        return [row.get(column, "") for column in range(1, max(row) + 1)]


def read_notes(xml: IO[bytes]) -> SheetNotes:
    """Reads the XML of a sheet once, in pieces."""
    merges: dict[bytes, _Merge] = {}
    has_formulas = has_results = False
    for piece in _pieces(xml):
        has_formulas = has_formulas or _FORMULA.search(piece) is not None
        has_results = has_results or (has_formulas and _RESULT.search(piece) is not None)
        for match in _MERGE.finditer(piece):
            if len(merges) < _MAX_MERGES:
                left, top, right, bottom = match.groups()
                merges[match[0]] = _Merge(int(top), _column(left), int(bottom), _column(right))
    return SheetNotes(sorted(merges.values()), has_formulas and not has_results)


def _pieces(xml: IO[bytes]) -> Iterator[bytes]:
    before = b""
    while data := xml.read(_READ_BYTES):
        yield before + data
        before = data[-_OVERLAP_BYTES:]


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number
