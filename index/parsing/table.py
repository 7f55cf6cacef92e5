"""Tables of every format: spanned cells, titles above the header, the header, several in one sheet.

    rows                           lines
    Prices 2024                    title   Prices 2024
           | 2024 | 2024 |         header  Plan | 2024 Q1 | 2024 Q2
    Plan   | Q1   | Q2   |         row     Team | 30 | 32
    Team   | 30   | 32   |

What is decided is decided from the first rows of a table, so that a long one can stream.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, takewhile
from typing import Literal

from index.parsing.table_header import (
    MAX_HEAD_ROWS,
    Head,
    find_head,
    joined_header,
    marked_head,
    may_be_head,
    num_filled,
    repeats,
)

SAMPLE_ROWS = 20
MAX_COLUMNS = 1_000  # more a cell cannot span: the limit of HTML
MAX_REPEATED_CHARS = 300  # a longer text stands once, wherever it spans
MAX_TITLE_CHARS = 200

Row = Sequence[str]
LineKind = Literal["title", "header", "row"]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell as its document has it; `rows` and `columns` are how many it spans."""

    text: str
    rows: int = 1
    columns: int = 1
    is_header: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """What is read of a row: `number` counts the rows given, from 0 (of a header: its last).

    `columns` are those of the table that it belongs to, empty where it has none; `title` is what
    stands above that table.
    """

    kind: LineKind
    cells: Row
    number: int
    columns: Row = ()
    title: str = ""


def grid(rows: Iterable[Sequence[Cell]]) -> list[list[str]]:
    """Lays cells out: a spanned value stands in every row and column that it spans.

    A row of one cell has one value, however far that spans. No row is longer than the last column
    in which a cell begins.
    """
    starts = _Starts()
    laid = list(spread(rows, starts))
    return [row[: starts.last + 1] for row in laid]


@dataclass
class _Starts:
    """The last column in which a cell begins."""

    last: int = 0


def spread(rows: Iterable[Sequence[Cell]], starts: _Starts | None = None) -> Iterator[list[str]]:
    """Does what `grid` does row by row, for tables that are not held."""
    starts = starts or _Starts()
    hanging: dict[int, tuple[int, str]] = {}  # what spans from above: column: (rows left, text)
    for cells in rows:
        if len(cells) == 1 and cells[0].rows == 1 and not hanging:
            yield [cells[0].text]
            continue
        row = _take_hanging(hanging)
        column = 0
        for cell in cells:
            while column in row:
                column += 1
            if column >= MAX_COLUMNS:
                break
            starts.last = max(starts.last, column)
            column = _place(cell, column, row, hanging)
        if not cells:  # what spans it is more of the row above
            row = {}
        yield [row.get(column, "") for column in range(max(row, default=-1) + 1)]


def _take_hanging(hanging: dict[int, tuple[int, str]]) -> dict[int, str]:
    row = {column: text for column, (_, text) in hanging.items()}
    for column, (left, text) in list(hanging.items()):
        if left == 1:
            del hanging[column]
        else:
            hanging[column] = (left - 1, text)
    return row


def _place(
    cell: Cell, column: int, row: dict[int, str], hanging: dict[int, tuple[int, str]]
) -> int:
    """Puts a cell into a row; gives the column after it."""
    again = cell.text if len(cell.text) <= MAX_REPEATED_CHARS else ""
    end = min(column + max(cell.columns, 1), MAX_COLUMNS)
    for at in range(column, end):
        row[at] = cell.text if at == column else again
        if cell.rows > 1:
            hanging[at] = (cell.rows - 1, again)
    return end


def num_header_rows(rows: Sequence[Sequence[Cell]]) -> int | None:
    """How many rows at the top are marked as header; None if the marks do not say."""
    marked = 0
    for row in rows:
        if not row or not all(cell.is_header for cell in row):
            break
        marked += 1
    return marked if 0 < marked < len(rows) else None


def table_lines(rows: Iterable[Row], header_rows: int | None = None) -> Iterator[Line]:
    """Reads the rows of a table, or of a sheet with several tables between empty rows.

    Args:
        rows: cleaned texts, as `grid` lays them out.
        header_rows: how many at the top are the header, 0 if there is none; None: found out, and
            after each empty row again.
    """
    stream = _Stream(rows)
    table = _Table()
    is_first = True
    while sample := stream.look():
        if is_first or header_rows is None:
            marked = None if header_rows is None else header_rows - stream.num_empty
            head = table.next_head(sample, marked)
            if head is not None:
                yield from table.begin(stream, head)
        is_first = False
        for number, row in stream.block():
            if not repeats(row, table.columns):
                yield Line("row", row, number, table.columns, table.title)


@dataclass
class _Table:
    """The table that is being read."""

    columns: Row = ()
    title: str = ""

    def begin(self, stream: "_Stream", head: Head) -> Iterator[Line]:
        """Reads titles and header off the stream."""
        titles = [stream.take() for _ in range(head.titles)]
        header = [stream.take() for _ in range(head.header)]
        self.columns = joined_header([row for _, row in header])
        self.title = _title([row for _, row in titles])
        for number, row in titles:
            yield Line("title", _collapsed(row), number, (), self.title)
        if header:
            yield Line("header", self.columns, header[-1][0], self.columns, self.title)

    def next_head(self, sample: Sequence[Row], header_rows: int | None) -> Head | None:
        """What begins with these rows; None if they go on with what was read last."""
        if header_rows is not None:
            return marked_head(sample, header_rows)
        head = find_head(sample)
        if not self.columns or head.titles or head.is_sure:
            return head
        width = max(num_filled(row) for row in sample)
        return head if width > num_filled(self.columns) else None


class _Stream:
    """Rows with their numbers, of which some are looked at before they are taken."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.num_empty = 0  # rows that were left out before the first one
        self._rows = enumerate(rows)
        self._ahead: deque[tuple[int, Row]] = deque()

    def look(self) -> list[Row]:
        """The next rows up to an empty one; a title or header by itself goes on after it."""
        while self._fill(1) and not any(self._ahead[0][1]):
            self._ahead.popleft()
            self.num_empty += 1
        self._fill(SAMPLE_ROWS)
        block = self._until_empty()
        while len(block) < len(self._ahead) and all(may_be_head(row) for row in block):
            self._drop_empty(after=len(block))
            longer = self._until_empty()
            if len(longer) == len(block) or len(block) >= MAX_HEAD_ROWS:
                break
            block = longer
        return block

    def take(self) -> tuple[int, Row]:
        """The next row that was looked at."""
        return self._ahead.popleft()

    def block(self) -> Iterator[tuple[int, Row]]:
        """Takes the rows up to an empty one."""
        while self._fill(1) and any(self._ahead[0][1]):
            yield self._ahead.popleft()

    def _until_empty(self) -> list[Row]:
        return list(takewhile(any, (row for _, row in self._ahead)))

    def _drop_empty(self, after: int) -> None:
        while len(self._ahead) > after and not any(self._ahead[after][1]):
            del self._ahead[after]
        self._fill(SAMPLE_ROWS)

    def _fill(self, number: int) -> bool:
        self._ahead.extend(islice(self._rows, max(0, number - len(self._ahead))))
        return bool(self._ahead)


def _title(rows: Sequence[Row]) -> str:
    """The first of the title rows that is a short text."""
    texts = [cells[0] for row in rows if len(cells := _collapsed(row)) == 1]
    return next((text for text in texts if len(text) <= MAX_TITLE_CHARS), "")


def _collapsed(row: Row) -> Row:
    """A value that spans its row, once."""
    return [text for text, _ in groupby(filter(None, row))]
