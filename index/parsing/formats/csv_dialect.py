"""How a table in a text file is written: the mark between cells, and what quotes them.

A mark is right if it splits most of the first rows, read with their quotes, into equally many
cells. Text with commas in it is no table.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

_SAMPLE_CHARS = 65_536
_SAMPLE_ROWS = 50
_MARKS = ("\t", ";", "|", ",")  # of equal ones the first is taken: a comma may be a decimal one
_SEP_LINE = re.compile(r'\s*"?sep=(.)"?[ \t]*\n?', re.IGNORECASE)
_MIN_SHARE = 0.6
_MAX_ROW_LINES = 1_000
_MAX_REPAIRS = 20


def read_rows(text: str, *, is_tabbed: bool = False) -> Iterator[list[str]]:
    r"""Reads the rows of a table one by one; of one column, if no mark splits it.

    Args:
        text: the whole file, clean, with line ends as `\n`.
        is_tabbed: its name says that tabs stand between the cells.
    """
    start = 0
    if found := _SEP_LINE.match(text):
        start = found.end()
        mark: str | None = found[1]
    elif is_tabbed and "\t" in text[:_SAMPLE_CHARS]:
        mark = "\t"
    else:
        mark = _mark(text)
    stream = io.StringIO(text, newline="")
    stream.seek(start)
    if mark is None:
        return ([_unquoted(line)] for line in stream)
    return _Rows(stream, mark, _escape(text)).read()


class _Rows:
    """Rows of a stream. A quote that does not end is one character of its line, no more.

    Where a row takes too many lines, or the rest of the file, its first line is read again as if
    quotes meant nothing; after some of these the rest is read like that.
    """

    def __init__(self, stream: io.StringIO, mark: str, escape: str | None) -> None:
        self._stream = stream
        self._mark = mark
        self._escape = escape
        self._num_lines = 0  # of the row that is being read
        self._repairs = 0

    def read(self) -> Iterator[list[str]]:
        csv.field_size_limit(2**31 - 1)
        reader = self._reader()
        while True:
            begin, self._num_lines = self._stream.tell(), 0
            row = next(reader, None)
            if row is None:
                return
            if self._num_lines > 1 and self._is_open(begin):
                self._stream.seek(begin)
                yield [_unquoted(cell) for cell in self._stream.readline().split(self._mark)]
                self._repairs += 1
                reader = self._reader()
            else:
                yield row

    def _reader(self) -> Iterator[list[str]]:
        return csv.reader(
            self._lines(),
            delimiter=self._mark,
            quoting=csv.QUOTE_MINIMAL if self._repairs < _MAX_REPAIRS else csv.QUOTE_NONE,
            escapechar=self._escape,
            skipinitialspace=self._mark != " ",
        )

    def _lines(self) -> Iterator[str]:
        while self._num_lines < _MAX_ROW_LINES and (line := self._stream.readline()):
            self._num_lines += 1
            yield line

    def _is_open(self, begin: int) -> bool:
        """Whether the row from `begin` to here ended only because its lines did."""
        end = self._stream.tell()
        if self._num_lines < _MAX_ROW_LINES and self._stream.read(1):
            self._stream.seek(end)
            return False
        self._stream.seek(begin)
        return self._stream.read(end - begin).count('"') % 2 == 1 or (
            self._num_lines >= _MAX_ROW_LINES
        )


def _mark(text: str) -> str | None:
    """The mark that splits the first rows best; None if none does."""
    cut = text.rfind("\n", 0, _SAMPLE_CHARS) if len(text) > _SAMPLE_CHARS else len(text)
    sample = text[: cut if cut > 0 else _SAMPLE_CHARS]
    scores = {mark: _score(sample, mark) for mark in _MARKS if mark in sample}
    best = max(scores, key=lambda mark: scores[mark], default=None)
    return best if best is not None and scores[best] > 0 else None


def _score(sample: str, mark: str) -> float:
    """From 0, no table, to 1: all rows are equally wide and no cell holds another mark."""
    rows = _sample_rows(sample, mark)
    widths = Counter(map(len, rows))
    width = max(widths, key=lambda one: (widths[one], one), default=1)
    if width == 1:
        return 0
    share = sum(count for one, count in widths.items() if one >= width) / len(rows)
    if share < _MIN_SHARE or (len(rows[0]) == 1 and _is_prose(sample, mark)):
        return 0
    cells = [cell for row in rows for cell in row]
    others = [one for one in _MARKS if one not in (mark, ",")]
    clean = sum(1 for cell in cells if not any(one in cell for one in others)) / len(cells)
    even = widths[width] / len(rows)
    return share * even * clean


def _sample_rows(sample: str, mark: str) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in _Rows(io.StringIO(sample, newline=""), mark, _escape(sample)).read():
        if any(row):
            rows.append(row)
        if len(rows) == _SAMPLE_ROWS:
            break
    return rows


def _is_prose(sample: str, mark: str) -> bool:
    """Whether each mark is followed by a blank, as in a sentence."""
    return sample.count(mark) == sample.count(f"{mark} ") and mark != "\t"


def _escape(text: str) -> str | None:
    r"""The mark of quotes inside quotes, where they are written \" and not twice."""
    sample = text[:_SAMPLE_CHARS]
    return "\\" if '\\"' in sample and '""' not in sample else None


def _unquoted(cell: str) -> str:
    cell = cell.strip()
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if is_quoted else cell.strip('"') or cell
