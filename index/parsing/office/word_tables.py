"""The tables of Word documents: cells with what they span.

A cell that is merged downwards is written once a row: the first one with its text, the others say
that they go on with it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from docx.oxml.ns import qn

from index.parsing.table import MAX_COLUMNS, Cell

ROW, _CELL = qn("w:tr"), qn("w:tc")
_VALUE = qn("w:val")


def table_cells(table: Any, text_of: Callable[[Any], str]) -> list[list[Cell]]:
    """The rows of a table; `text_of` reads the element of a cell."""
    rows: list[list[Cell]] = []
    begun: dict[int, tuple[list[Cell], int]] = {}  # what a cell may go on with, by its column
    for row in own(table, ROW):
        cells: list[Cell] = []
        is_header = row.find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None
        if skipped := _number(row, f"{qn('w:trPr')}/{qn('w:gridBefore')}", default=0):
            cells.append(Cell("", columns=skipped, is_header=is_header))
        column = skipped
        for element in own(row, _CELL):
            width = _number(element, f"{qn('w:tcPr')}/{qn('w:gridSpan')}", default=1)
            if _goes_on(element) and column in begun:
                above, at = begun[column]
                above[at] = replace(above[at], rows=above[at].rows + 1)
            else:
                begun[column] = (cells, len(cells))
                cells.append(Cell(text_of(element), columns=width, is_header=is_header))
            column += width
        rows.append(cells)
    return rows


def own(parent: Any, tag: str) -> list[Any]:
    """The rows of a table or cells of a row, without those of tables inside it."""
    return [one for one in parent.iter(tag) if next(one.iterancestors(parent.tag)) is parent]


def _goes_on(cell: Any) -> bool:
    merge = cell.find(f"{qn('w:tcPr')}/{qn('w:vMerge')}")
    return merge is not None and merge.get(_VALUE, "continue") == "continue"


def _number(element: Any, path: str, *, default: int) -> int:
    found = element.find(path)
    value = "" if found is None else str(found.get(_VALUE, ""))
    return min(int(value), MAX_COLUMNS) if value.isdecimal() and value.isascii() else default
