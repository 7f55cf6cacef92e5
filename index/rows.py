r"""A row of a table as text, `a | b | c`, and in words, `Plan: Team; Price: 30 EUR`.

Cells `Pump`, nothing, `12 | 14`: the row is `Pump |  | 12 \| 14`. Empty cells keep their place,
those at the end go; a bar that stands alone inside a cell is told from one between cells.
"""

import re
from collections.abc import Sequence

BAR = " | "
TITLE_SEPARATOR = " > "
_LONE_BAR = re.compile(r"(?<!\S)\|(?!\S)")
_WORD = re.compile(r"[^\W\d_]{3}")
MAX_KEY_CELLS = 3
_NAME_OF_VALUE = re.compile(r"\S: \S")


def join_cells(cells: Sequence[str]) -> str:
    """Writes cells, each on one line, as a row of text; empty if all are."""
    written = [_LONE_BAR.sub(r"\\|", cell) if "|" in cell else cell for cell in cells]
    while written and not written[-1]:
        written.pop()
    return BAR.join(written).strip()


def split_cells(row: str) -> list[str]:
    """The cells of a row as `join_cells` wrote it."""
    whole = f" {row}" if row.startswith("| ") else row
    return [cell.replace(r"\|", "|").strip() for cell in whole.split(BAR)]


def columns_of(title: str) -> str:
    """The columns in the title of a passage that holds rows: its last part."""
    return title.rsplit(TITLE_SEPARATOR, 1)[-1]


def readable_row(columns: str, row: str) -> str:
    """A row in words, each value after the name of its column.

    Args:
        columns: the names, joined as a row is; empty where a table has none. What cannot be the
            names of this row (fewer than it has cells: a heading) counts as none.
        row: text of one row. What has no cells (a sentence, the header itself) comes back as it is.
    """
    cells = split_cells(row)
    names = split_cells(columns)
    if len(cells) < 2 or row == columns:
        return row
    if len(names) < len(cells):
        return _without_names(cells)
    named = zip(names, cells, strict=False)
    return "; ".join(f"{name}: {cell}" if name else cell for name, cell in named if cell)


def _without_names(cells: Sequence[str]) -> str:
    filled = [cell for cell in cells if cell]
    if any(_NAME_OF_VALUE.search(cell) for cell in filled):  # fields of a record
        return "; ".join(filled)
    key, *values = cells
    if key and len(values) == 1:
        return f"{key.removesuffix(':')}: {values[0]}"
    return BAR.join(filled)


def num_key_cells(cells: Sequence[str]) -> int:
    """How many of the first cells say whose a row is: up to one in words, at most three."""
    for number, cell in enumerate(cells[:MAX_KEY_CELLS], start=1):
        if _WORD.search(cell):
            return number
    return min(len(cells), MAX_KEY_CELLS)
