"""Workbooks: one section a sheet, one row a block, values as their formats show them.

Hidden rows and columns are read (filters hide what is data), hidden sheets are not.
"""

import io
from collections.abc import Iterator
from itertools import chain, dropwhile
from typing import Any

from openpyxl import load_workbook

from index.errors import FileLimitError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.office.number_format import as_shown
from index.parsing.office.sheet_notes import SheetNotes, read_notes
from index.parsing.parse_archive import check_archive
from index.parsing.parse_source import Source


def parse_xlsx(source: Source) -> Document:
    """Reads the visible sheets. A workbook has no pages.

    Formulas are read as their values, or as they are in a sheet that no program has calculated.

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
    with_formulas: Any = None
    for sheet in sheets:
        if sheet.sheet_state != "visible":
            continue
        with sheet._get_source() as xml:  # merged cells stand after the rows that they merge
            notes = read_notes(xml)
        if notes.is_uncalculated:
            with_formulas = with_formulas or load_workbook(
                io.BytesIO(source.data), read_only=True, data_only=False
            )
        book = with_formulas if notes.is_uncalculated else workbook
        _read_sheet(builder, book[sheet.title], notes)
    workbook.close()
    return builder.build()


def _read_sheet(builder: DocumentBuilder, sheet: Any, notes: SheetNotes) -> None:
    builder.end_section(1)
    sheet.reset_dimensions()  # as declared they may be wrong, or a trap of 17 billion cells
    filled = dropwhile(lambda cells: not any(cells), _rows(sheet, notes))
    if (first := next(filled, None)) is not None:  # an empty sheet leaves no heading
        builder.add_part(sheet.title)
        builder.add_table(chain([first], filled))


def _rows(sheet: Any, notes: SheetNotes) -> Iterator[list[str]]:
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        yield notes.fill_merged(number, [_words(cell) for cell in cells])


def _words(cell: Any) -> str:
    value = cell.value
    if value is None or isinstance(value, str):
        return value or ""
    if formula := getattr(value, "text", None):  # of an array
        return str(formula)
    return as_shown(value, cell.number_format or "")
