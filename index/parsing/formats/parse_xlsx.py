"""Workbooks: one section a sheet, one row a block, the first row as the header."""

import io
from datetime import date, datetime, time
from itertools import chain, dropwhile
from typing import Any

from openpyxl import load_workbook

from index.errors import FileLimitError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.parse_archive import check_archive
from index.parsing.parse_source import Source


def parse_xlsx(source: Source) -> Document:
    """Reads the visible sheets: values, not formulas. A workbook has no pages.

    Raises:
        FileLimitError: it has more sheets than pages are allowed.
    """
    check_archive(source, "xl/")
    workbook = load_workbook(io.BytesIO(source.data), read_only=True, data_only=True)
    sheets = workbook.worksheets
    if len(sheets) > source.limits.max_pages:
        raise FileLimitError(
            f"{source.name!r} has {len(sheets)} sheets, "
            f"at most {source.limits.max_pages} are allowed"
        )
    builder = source.builder((workbook.properties.title or "").strip())
    for sheet in sheets:
        if sheet.sheet_state == "visible":
            _read_sheet(builder, sheet)
    workbook.close()
    return builder.build()


def _read_sheet(builder: DocumentBuilder, sheet: Any) -> None:
    builder.end_section(1)
    sheet.reset_dimensions()  # as declared they may be wrong, or a trap of 17 billion cells
    rows = ([_words(value) for value in row] for row in sheet.iter_rows(values_only=True))
    filled = dropwhile(lambda cells: not any(cells), rows)
    if (first := next(filled, None)) is not None:  # an empty sheet leaves no heading
        builder.add_heading(1, sheet.title)
        builder.add_table(chain([first], filled))


def _words(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case float():
            return f"{value:.15g}"  # Excel keeps 15 digits
        case datetime() if value.time() == time():
            return value.date().isoformat()
        case date() | time() if not isinstance(value, datetime):
            return value.isoformat()
    return str(value)
