"""Where the header of a table stands: below its titles, above its values, in one row or several.

Told from the first rows alone. A row of names has no values (numbers, dates, addresses), repeats
nothing of what stands below it, and is about as wide as the table.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

MAX_HEAD_ROWS = 8
_MAX_HEADER_ROWS = 4
_MAX_NAME_CHARS = 300
_MAX_VALUE_CHARS = 40
_KEY_VALUE = 2  # columns of a table of keys and values
_MOSTLY = 0.6
_ENDS_SENTENCE = (".", "!", ";")  # a line of text, where it stands alone

_VALUE = re.compile(
    r"[(+\-~<>=]{0,2}\s?[$€£¥]?\s?\d[\d.,'/:\u00a0 -]*"  # 1.234,50   12/30   2024-01-02   9:30
    r"(?:\s?(?:%|[^\W\d_]{1,12}\.?|[$€£¥]))?\)?"  # a unit: EUR, euros, h, %
)
_ADDRESS = re.compile(r"\S@\S|://|\bwww\.")
_YEAR = re.compile(r"(?:1[89]|20|21)\d\d")
_LETTER = re.compile(r"[^\W\d_]")
_LETTERS, _DIGITS = re.compile(r"[^\W\d_]+"), re.compile(r"\d+")

Row = Sequence[str]


@dataclass(frozen=True, slots=True)
class Head:
    """Rows above the values: first titles, then the header.

    `is_sure`: some column has values below a name, so that this can be no other row.
    """

    titles: int = 0
    header: int = 0
    is_sure: bool = False


def find_head(sample: Sequence[Row]) -> Head:
    """Finds titles and header in the first rows of a table."""
    width = _usual_width(sample)
    titles = 0
    while titles < min(len(sample) - 1, MAX_HEAD_ROWS) and _is_title(sample, titles, width):
        titles += 1
    below = sample[titles:]
    header = _num_header_rows(below, width)
    sure = header > 0 and _names_values(below[header - 1], below[header:])
    return Head(titles, header, sure)


def marked_head(sample: Sequence[Row], header_rows: int) -> Head:
    """The head of a table that says how many rows its header has; some may be titles."""
    rows = sample[: max(header_rows, 0)]
    titles = 0
    while titles < len(rows) - 1 and len(set(filter(None, rows[titles]))) == 1:
        titles += 1
    has_names = any(any(row) for row in rows[titles:])
    return Head(titles, len(rows) - titles if has_names else 0, is_sure=True)


def joined_header(rows: Sequence[Row]) -> Row:
    """The names of the columns, those of several rows one after the other: `2024 Q1`."""
    if len(rows) == 1:
        return rows[0]
    width = max(map(len, rows), default=0)
    padded = [_filled_on(row, width) for row in rows[:-1]] + [
        _padded(row, width) for row in rows[-1:]
    ]
    names = []
    for parts in zip(*padded, strict=True):
        names.append(" ".join(dict.fromkeys(filter(None, parts))))
    return names


def may_be_head(row: Row) -> bool:
    """Whether a row that stands alone can be a title or header of what follows."""
    return num_filled(row) == 1 or not any(map(_is_value, row))


def repeats(row: Row, header: Row) -> bool:
    """Whether a row is the header once more, as tables of several pages have it."""
    return list(row) == list(header) and num_filled(row) > 1


def num_filled(row: Row) -> int:
    """How many cells are not empty."""
    return sum(1 for cell in row if cell)


def _usual_width(sample: Sequence[Row]) -> int:
    counts = Counter(count for row in sample if (count := num_filled(row)) > 1)
    return max(counts, key=lambda count: (counts[count], count), default=1)


def _is_title(sample: Sequence[Row], at: int, width: int) -> bool:
    """One text above a wider table, or a few cells that stand together at its left."""
    row = sample[at]
    filled = [index for index, cell in enumerate(row) if cell]
    if width == 1 or not filled:
        return False
    left = min(next(i for i, cell in enumerate(one) if cell) for one in sample if any(one))
    if len({row[index] for index in filled}) == 1:
        return len(filled) == 1 or filled[0] == left  # else the name of some columns
    return 2 * len(filled) <= width and filled == list(range(left, left + len(filled)))


def _num_header_rows(rows: Sequence[Row], width: int) -> int:
    if len(rows) < 2:
        return 0
    number = 1
    while number < min(_MAX_HEADER_ROWS, len(rows) - 1) and _goes_on(rows, number):
        number += 1
    last = rows[number - 1]
    body = [row for row in rows[number:] if not repeats(row, last)]
    if 2 * num_filled(last) < width or not all(_has_names(row, body) for row in rows[:number]):
        return 0
    return 0 if width == _KEY_VALUE and number == 1 and _has_keys(last, body) else number


def _goes_on(rows: Sequence[Row], at: int) -> bool:
    """Whether the row at `at` is one more of the header that ends above it."""
    above, row, body = rows[at - 1], rows[at], rows[at + 1 :]
    if not row or not above or not _has_names(row, body):
        return False
    if not row[0]:  # names below a group, or units
        return _has_groups(above) or _names_values(row, body)
    return row[0] == above[0] or (not above[0] and _has_groups(above))


def _has_groups(row: Row) -> bool:
    """Whether a name stands for several columns: repeated, or with gaps after it."""
    tail = row[1:]
    return any(one == other or (one and not other) for one, other in pairwise(tail))


def _has_names(row: Row, body: Sequence[Row]) -> bool:
    filled = [cell for cell in row if cell]
    if any(len(cell) > _MAX_NAME_CHARS or _ADDRESS.search(cell) for cell in filled):
        return False
    if len(filled) == 1 and filled[0].endswith(_ENDS_SENTENCE):
        return False
    if any(map(_is_value, filled)) and not _are_series(row, body):
        return False
    if any(_is_code_of(cell, _below(index, body)) for index, cell in enumerate(row)):
        return False
    return not any(
        cell == other[index]
        for index, cell in enumerate(row)
        if _LETTER.search(cell)
        for other in body
        if index < len(other)
    )


def _is_code_of(cell: str, below: Sequence[str]) -> bool:
    """Whether a cell is written as those below it, with a digit: F-03 above F-07 and F-12."""
    shape = _shape(cell)
    alike = sum(_shape(other) == shape for other in below)
    is_code = "a" in shape and "0" in shape and not _is_value(cell)
    return is_code and bool(below) and alike >= _MOSTLY * len(below)


def _shape(cell: str) -> str:
    return _DIGITS.sub("0", _LETTERS.sub("a", cell[:_MAX_VALUE_CHARS]))


def _are_series(row: Row, body: Sequence[Row]) -> bool:
    """Whether the values in a header are names: years, days, numbers that count up."""
    values = [cell for cell, _ in groupby(row) if _is_value(cell)]
    if row[0] in values or len(set(values)) < len(values):
        return False
    if all(_YEAR.fullmatch(value) for value in values):
        below = [_below(index, body) for index, cell in enumerate(row) if cell in values]
        return not any(_YEAR.fullmatch(cell) for cells in below for cell in cells)
    if all(value.isdecimal() for value in values):
        numbers = [int(value[:9]) for value in values]
        return len(numbers) > 1 and all(b - a == 1 for a, b in pairwise(numbers))
    return len(values) > 1 and all(re.search(r"\d[-./:]\d", value) for value in values)


def _names_values(row: Row, body: Sequence[Row]) -> bool:
    """Whether some cell that is a text stands above values."""
    return any(
        cell and not _is_value(cell) and _are_values(_below(index, body))
        for index, cell in enumerate(row)
    )


def _are_values(cells: Row) -> bool:
    return bool(cells) and sum(map(_is_value, cells)) >= _MOSTLY * len(cells)


def _below(index: int, body: Sequence[Row]) -> list[str]:
    return [row[index] for row in body if index < len(row) and row[index]]


def _has_keys(row: Row, body: Sequence[Row]) -> bool:
    """Whether a table of two columns has keys on its left: its values are of several kinds."""
    if row[0].endswith(":"):
        return True
    values = [one[1] for one in body if len(one) > 1 and one[1]]
    kinds = {bool(_is_value(value) or _ADDRESS.search(value)) for value in values}
    return len(kinds) > 1


def _is_value(cell: str) -> bool:
    return len(cell) <= _MAX_VALUE_CHARS and _VALUE.fullmatch(cell) is not None


def _filled_on(row: Row, width: int) -> list[str]:
    """Names of groups over the columns after them, where these are empty."""
    filled: list[str] = []
    for index, cell in enumerate(_padded(row, width)):
        filled.append(cell or (filled[-1] if index > 1 else ""))
    return filled


def _padded(row: Row, width: int) -> list[str]:
    return [*row, *[""] * (width - len(row))]
