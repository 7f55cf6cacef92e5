"""Rows of tables that are longer than a passage: each part says whose it is.

name | colour | weight           columns of the table
Pump | dark blue | 3 kg          a row, of which the last cell comes into a second passage:
... > name: Pump > weight        the title of that passage
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from index.parsing.document import Block
from index.rows import BAR, MAX_KEY_CELLS, join_cells, num_key_cells, readable_row, split_cells

_MAX_KEY_CHARS = 60
_CELL_END = re.compile(re.escape(BAR))


def cell_ends(text: str, start: int, end: int) -> Iterator[int]:
    """Where cells of a row end, between two places in it."""
    return (match.end() for match in _CELL_END.finditer(text, start, end))


def merged(spans: Iterable[tuple[int, int]], max_tokens: int) -> Iterator[tuple[int, int]]:
    """Puts neighbouring spans of tokens together while they fit."""
    first = last = 0
    for start, stop in spans:
        if last > first and stop - first > max_tokens:
            yield first, last
            first = start
        last = stop
    if last > first:
        yield first, last


class WideRow:
    """A row that is cut between its cells; spans are of its text."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._starts = [0, *cell_ends(block.text, 0, len(block.text))]
        self._names = split_cells(block.columns) if block.columns else []

    def trimmed(self, start: int, end: int) -> tuple[int, int]:
        """A span of the row without the bars at its ends."""
        text = self._block.text
        if text[start:end].startswith("| "):
            start += 2
        if text[start:end].endswith(" |"):
            end -= 2
        return start, end

    def columns(self, start: int, end: int) -> str:
        """The columns of the cells in a span."""
        first = bisect_right(self._starts, start) - 1
        return join_cells(self._names[first : bisect_right(self._starts, end - 1)])

    def key(self, start: int) -> str:
        """What says whose a part is that begins there; empty for the one that says it itself."""
        is_header = self._block.text == self._block.columns
        is_first = len(self._starts) == 1 or start < self._starts[1]
        return "" if is_first or is_header else self._key

    @cached_property
    def _key(self) -> str:
        """The first cells in words, up to one that is no mere number."""
        first = split_cells(self._block.text[: self._key_end()])
        cells = [cell[:_MAX_KEY_CHARS] for cell in first[: num_key_cells(first)]]
        names = self._names[: len(cells)]
        if len(names) < len(cells):
            return readable_row("", join_cells(cells))
        return _in_words(names, cells)

    def _key_end(self) -> int:
        return [*self._starts, len(self._block.text)][: MAX_KEY_CELLS + 1][-1]


def columns_for(columns: str, rows: Iterable[str]) -> str:
    """As many of the columns as the longest of some rows has cells."""
    width = max((len(split_cells(row)) for row in rows), default=0)
    return join_cells(split_cells(columns)[:width])


def _in_words(names: Sequence[str], cells: Sequence[str]) -> str:
    named = zip(names, cells, strict=True)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)
