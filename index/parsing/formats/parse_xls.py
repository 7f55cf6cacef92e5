"""Workbooks of Excel 97 to 2003 (.xls): values as their formats show them, visible sheets only.

Many programs name other files .xls, since Excel opens them: HTML tables, new workbooks and text
with tabs are read as what they are.
"""

import io
from collections.abc import Iterator
from datetime import time, timedelta
from itertools import chain
from typing import Any

import xlrd

from index.errors import FileLimitError, InvalidFileError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.formats.parse_csv import parse_csv
from index.parsing.formats.parse_html import parse_html
from index.parsing.formats.parse_xlsx import parse_xlsx
from index.parsing.office.number_format import as_shown
from index.parsing.parse_source import Source
from index.parsing.table import Cell, spread

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAX_TIME_OF_DAY = 1  # days: what is less has no day


def parse_xls(source: Source) -> Document:
    """Reads an old workbook. It has no pages.

    Raises:
        InvalidFileError: it is none, broken or encrypted.
        FileLimitError: it has more sheets than pages are allowed.
    """
    if not source.data.startswith(_OLE):
        return _read_as_it_is(source)
    try:
        book = xlrd.open_workbook(
            file_contents=source.data, formatting_info=True, logfile=io.StringIO()
        )
    except xlrd.XLRDError as err:
        encrypted = "encrypted" in str(err)
        reason = "is encrypted: it needs a password" if encrypted else f"is broken: {err}"
        raise InvalidFileError(f"{source.name!r} {reason}") from err
    if book.nsheets > source.limits.max_pages:
        raise FileLimitError(
            f"{source.name!r} has {book.nsheets} sheets, "
            f"at most {source.limits.max_pages} are allowed"
        )
    builder = source.builder()
    for sheet in book.sheets():
        if sheet.visibility == 0:
            _read_sheet(builder, book, sheet)
    return builder.build()


def _read_as_it_is(source: Source) -> Document:
    if source.nature() == "a ZIP archive":
        return parse_xlsx(source)
    if source.nature():
        raise InvalidFileError(
            f"{source.name!r} is not what its name says: it is {source.nature()}"
        )
    looks_like_html = source.text().lstrip()[:1] == "<"
    return parse_html(source) if looks_like_html else parse_csv(source)


def _read_sheet(builder: DocumentBuilder, book: Any, sheet: Any) -> None:
    builder.end_section(1)
    rows = (row for row in spread(_rows(book, sheet)) if any(row))
    if (first := next(rows, None)) is not None:  # an empty sheet leaves no heading
        builder.add_heading(1, sheet.name)
        builder.add_table(chain([first], rows))


def _rows(book: Any, sheet: Any) -> Iterator[list[Cell]]:
    """The rows, each merged part of the sheet as its first cell."""
    begun = {
        (top, left): (bottom - top, right - left) for top, bottom, left, right in sheet.merged_cells
    }
    hidden = _Covered(begun)
    for number in range(sheet.nrows):
        cells = []
        for column, cell in enumerate(sheet.row(number)):
            if not hidden.has(number, column):
                rows, columns = begun.get((number, column), (1, 1))
                cells.append(Cell(_words(book, cell), rows=rows, columns=columns))
        yield cells


class _Covered:
    """The cells that a merged one covers, told row by row from the top."""

    def __init__(self, begun: dict[tuple[int, int], tuple[int, int]]) -> None:
        self._by_row: dict[int, list[tuple[int, int]]] = {}
        for (top, left), (rows, columns) in begun.items():
            for row in range(top, min(top + rows, 65_536)):
                start = left + (row == top)
                self._by_row.setdefault(row, []).append((start, left + columns))

    def has(self, row: int, column: int) -> bool:
        return any(left <= column < right for left, right in self._by_row.get(row, ()))


def _words(book: Any, cell: Any) -> str:
    code = _format(book, cell)
    match cell.ctype:
        case xlrd.XL_CELL_TEXT:
            return str(cell.value)
        case xlrd.XL_CELL_NUMBER:
            whole = cell.value.is_integer() and abs(cell.value) < 2**53
            return as_shown(int(cell.value) if whole else cell.value, code)
        case xlrd.XL_CELL_DATE:
            return as_shown(_moment(cell.value, code, book.datemode), code)
        case xlrd.XL_CELL_BOOLEAN:
            return as_shown(bool(cell.value), code)
        case xlrd.XL_CELL_ERROR:
            return str(xlrd.error_text_from_code.get(cell.value, ""))
    return ""


def _format(book: Any, cell: Any) -> str:
    if cell.xf_index is None or not 0 <= cell.xf_index < len(book.xf_list):
        return ""
    found = book.format_map.get(book.xf_list[cell.xf_index].format_key)
    return "" if found is None else str(found.format_str)


def _moment(value: float, code: str, mode: int) -> object:
    if code.startswith("[") and not 0 <= value < _MAX_TIME_OF_DAY:
        return timedelta(days=value)
    try:
        moment = xlrd.xldate_as_datetime(value, mode)
    except (xlrd.XLDateError, OverflowError, ValueError):
        return value
    return moment.time() if 0 <= value < _MAX_TIME_OF_DAY and moment.time() != time() else moment
