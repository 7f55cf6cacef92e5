"""The segments of a page in reading order: lines, columns of prose, rows of tables.

    Plan   Price          Left one starts    Right one starts
    Basic  12 EUR         left two goes on   right two goes on
    a table: by rows      columns of prose: one after the other

The order of drawing is kept where it can be: most programs draw as one reads. What they draw across
(one base line after the other over several columns) is a table or columns of prose, and which of
them is told by how its lines begin and how long they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from index.parsing.pdf.columns import Row, columns_of, grid_of, is_aligned, is_prose
from index.parsing.pdf.glyphs import HYPHEN
from index.parsing.pdf.segment import Line, Segment
from index.parsing.pdf.stacks import with_rows_across

_SAME_BASE = 0.4  # in sizes
_MAX_GAP = 3.0  # lines between the rows of one table
_SCRAMBLED_FROM = 0.15  # of the rows begin above the one before
_LEADER = "…"
_MAX_MOVED = 5
_MAX_COLUMNS = 100


@dataclass(frozen=True, slots=True)
class _Band:
    """Rows that share their columns."""

    rows: list[Row]
    columns: list[tuple[float, float]]


def read_lines(segments: Sequence[Segment], page: int) -> list[Line]:
    """The lines of a page in reading order."""
    seen = [one for one in segments if one.text.strip(f"{HYPHEN} ")]
    rows = _rows(seen)
    if _is_scrambled(rows):
        rows = _rows(sorted(seen, key=lambda one: (-round(one.base / 2), one.left)))
    lines: list[Line] = []
    for part in with_rows_across(_with_edges_outside(rows)):
        if part.drawn_down:
            lines += _table(part.rows, columns_of(part.rows), page)
            continue
        for band in _bands(part.rows):
            lines += _read_band(band, page)
    return lines


def _rows(segments: Sequence[Segment]) -> list[Row]:
    rows: list[list[Segment]] = []
    for segment in segments:
        if rows and _fits(rows[-1], segment):
            rows[-1].append(segment)
        else:
            rows.append([segment])
    return [_with_markers(Row(sorted(row, key=lambda one: one.left))) for row in rows]


def _fits(row: list[Segment], segment: Segment) -> bool:
    last = row[-1]
    if abs(last.base - segment.base) > _SAME_BASE * max(last.size, segment.size):
        return False
    return all(segment.left >= one.right or segment.right <= one.left for one in row[-8:])


def _with_markers(row: Row) -> Row:
    """Joins the marker of a list item, or the number of a heading, with its text.

    A line of a table of contents is joined whole.
    """
    has_leader = any(_LEADER in cell.text for cell in row.cells)
    while len(row.cells) > 1 and (has_leader or row.begins_with_marker()):
        row = row.merged(0)
    return row


def _is_scrambled(rows: Sequence[Row]) -> bool:
    """Whether the order of drawing tells nothing."""
    jumps = sum(
        following.base > row.base + row.size / 2 and following.left < row.right
        for row, following in pairwise(rows)
    )
    return jumps > max(2, _SCRAMBLED_FROM * len(rows))


def _with_edges_outside(rows: list[Row]) -> list[Row]:
    """Puts titles first and footers last which are drawn the other way round."""
    for _ in range(_MAX_MOVED):
        if len(rows) > 2 and rows[-1].base > max(row.base for row in rows[:-1]):
            rows = [rows[-1], *rows[:-1]]
        elif len(rows) > 2 and rows[0].base < min(row.base for row in rows[1:]):
            rows = [*rows[1:], rows[0]]
        else:
            break
    return rows


def _bands(rows: Sequence[Row]) -> Iterator[_Band]:
    """Parts the rows where their columns change; a row of one cell alone has none."""
    distances = [a.base - b.base for a, b in pairwise(rows) if a.base > b.base]
    usual = median(distances or [0.0])
    band: list[Row] = []
    columns: list[tuple[float, float]] = []
    for row in rows:
        wider = columns_of([row], columns)
        if not (band and _continues(band, row, wider, usual)):
            if band:
                yield _Band(band, columns)
            band, wider = [], columns_of([row])
        band.append(row)
        columns = wider
    if band:
        yield _Band(band, columns)


def _continues(band: list[Row], row: Row, columns: list[tuple[float, float]], usual: float) -> bool:
    """Whether a row stands in the columns of those before it."""
    most = max(len(one.cells) for one in (*band[:1], *band[-20:], row))
    if most == 1 or len(band[0].cells) == 1 or not most <= len(columns) <= _MAX_COLUMNS:
        return False
    distance = band[-1].base - row.base
    return 0 < distance <= _MAX_GAP * max(usual, row.size)


def _read_band(band: _Band, page: int) -> list[Line]:
    across = [row for row in band.rows if len(row.cells) > 1]
    if len(across) < 2 or not is_aligned(across, band.columns):
        return [row.line(page) for row in band.rows]
    if is_prose(band.rows, band.columns):
        return [
            Row([cell]).line(page)
            for number in range(len(band.columns))
            for row in band.rows
            for cell in row.in_column(band.columns, number)
        ]
    rows = list(band.rows)
    after: list[Row] = []
    while len(rows[-1].cells) == 1 and rows[-1].left < band.columns[1][0]:
        after.insert(0, rows.pop())  # text that follows the table and is no wider than its column
    return [*_table(rows, band.columns, page), *(row.line(page) for row in after)]


def _table(rows: Sequence[Row], columns: list[tuple[float, float]], page: int) -> list[Line]:
    return [
        Line(
            text=" ".join(cells),
            page=page,
            size=row.size,
            height=row.base,
            left=row.left,
            right=row.right,
            cells=tuple(cells),
        )
        for row, cells in grid_of(rows, columns)
    ]
