"""Rows of segments, the columns that they share, and whether these hold prose or a table."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from index.parsing.pdf.glyphs import GAP, HYPHEN
from index.parsing.pdf.segment import Line, Segment

_MARKER = re.compile(r"[•‣▪◦●○■□–—*·o-]|\(?[0-9a-zA-Z]{1,3}[.)]|\d{1,3}(?:\.\d{1,3}){1,5}")  # noqa: RUF001
_NUMBER = re.compile(r"[^\w\s]{0,3}\d|[-–—]$|(?:[A-Z]{3}|[€$£]) ?\d")  # noqa: RUF001
_ALIGNED = 0.4  # in sizes of the letters
_MAX_PROSE_COLUMNS = 4
_WIDE = "\u2e80"  # from here on letters are as wide as they are high: Chinese, Japanese

Columns = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Row:
    """Segments on one base line, from left to right."""

    cells: list[Segment]

    @property
    def base(self) -> float:
        """Its height on the page."""
        return self.cells[0].base

    @property
    def size(self) -> float:
        """The size of its largest letters."""
        return max(cell.size for cell in self.cells)

    @property
    def left(self) -> float:
        """Where it begins."""
        return self.cells[0].left

    @property
    def right(self) -> float:
        """Where it ends."""
        return max(cell.right for cell in self.cells)

    def begins_with_marker(self) -> bool:
        """Whether its first cell is no more than the mark of an item or the number of a heading."""
        text = self.cells[0].text.replace(HYPHEN, "-")
        numbered = text[0].isdigit() and text[-1].isdigit()
        return bool(_MARKER.fullmatch(text)) and (not numbered or len(self.cells) == 2)

    def merged(self, index: int) -> "Row":
        """The row with a cell and the next one as one."""
        one, other = self.cells[index : index + 2]
        both = Segment(
            text=f"{one.text} {other.text}".replace(f"{HYPHEN} ", "- "),
            left=one.left,
            right=other.right,
            base=one.base,
            size=other.size,
        )
        return Row([*self.cells[:index], both, *self.cells[index + 2 :]])

    def in_column(self, columns: Columns, number: int) -> Iterator[Segment]:
        """Its cells that stand in a column."""
        left, right = columns[number]
        return (cell for cell in self.cells if left <= (cell.left + cell.right) / 2 <= right)

    def line(self, page: int) -> Line:
        """The row as a line of prose."""
        largest = max(self.cells, key=lambda cell: len(cell.text))
        texts = [cell.text for cell in self.cells]
        return Line(
            text=" ".join([*(one.replace(HYPHEN, "-") for one in texts[:-1]), texts[-1]]),
            page=page,
            size=largest.size,
            height=self.base,
            left=self.left,
            right=self.right,
        )


def columns_of(rows: Sequence[Row], known: Columns | None = None) -> Columns:
    """The parts of the page's width that rows fill, with a gap between them."""
    spans = sorted([*(known or []), *((one.left, one.right) for row in rows for one in row.cells)])
    gap = GAP * min(row.size for row in rows) / 2
    columns: Columns = []
    for left, right in spans:
        if columns and left < columns[-1][1] + gap:
            columns[-1] = columns[-1][0], max(columns[-1][1], right)
        else:
            columns.append((left, right))
    return columns


def is_aligned(rows: Sequence[Row], columns: Columns) -> bool:
    """Whether most cells of each column begin, end or are centred at one place."""
    return all(
        _share_a_place([cell for row in rows for cell in row.in_column(columns, number)])
        for number in range(len(columns))
    )


def is_prose(rows: Sequence[Row], columns: Columns) -> bool:
    """Whether the columns are to be read one after the other, as those of a newspaper."""
    if not 2 <= len(columns) <= _MAX_PROSE_COLUMNS:
        return False
    cells = [
        [cell for row in rows for cell in row.in_column(columns, number)]
        for number in range(len(columns))
    ]
    if any(_is_numeric(column) or _is_labels(column) for column in cells):
        return False
    texts = [cell.text for column in cells for cell in column]
    following = [pair for column in cells for pair in pairwise(column)]
    if not following:
        return False
    going_on = sum(_goes_on(one, other) for one, other in following) / len(following)
    length = median(len(text) for text in texts)
    if sum(text[0] >= _WIDE for text in texts) * 2 > len(texts):
        return length >= 10
    return (going_on >= 0.35 and length >= 8) or (going_on >= 0.15 and length >= 35)


def grid_of(rows: Sequence[Row], columns: Columns) -> list[tuple[Row, list[str]]]:
    """The cells of each row by column; a row that only goes on with the one above is joined."""
    grid: list[tuple[Row, list[str]]] = []
    for row in rows:
        cells = [
            " ".join(cell.text for cell in row.in_column(columns, number))
            for number in range(len(columns))
        ]
        if grid and not cells[0] and all(not cell or cell[0].islower() for cell in cells):
            above = grid[-1][1]
            grid[-1] = grid[-1][0], [f"{a} {b}".strip() for a, b in zip(above, cells, strict=True)]
        else:
            grid.append((row, cells))
    return grid


def _share_a_place(cells: Sequence[Segment]) -> bool:
    if not cells:
        return False
    near = _ALIGNED * max(cell.size for cell in cells)
    for places in (
        [cell.left for cell in cells],
        [cell.right for cell in cells],
        [(cell.left + cell.right) / 2 for cell in cells],
    ):
        middle = median(places)
        if sum(abs(place - middle) <= near for place in places) >= 0.6 * len(places):
            return True
    return False


def _is_numeric(cells: Sequence[Segment]) -> bool:
    numeric = sum(bool(_NUMBER.match(cell.text)) for cell in cells)
    return numeric >= 0.6 * max(1, len(cells))


def _is_labels(cells: Sequence[Segment]) -> bool:
    """Whether most are single words, as codes and names are; lines of prose are longer."""
    words = sum(" " not in cell.text and cell.text[0] < _WIDE for cell in cells)
    return words >= 0.6 * max(1, len(cells))


def _goes_on(one: Segment, other: Segment) -> bool:
    """Whether the second line seems to be of the same sentence as the first."""
    return one.text.endswith(HYPHEN) or (other.text[0].islower() and one.text[-1] not in ".!?:")
