"""Word, PowerPoint and Excel files of a source, as people make them with those programs."""

import io
import re
from datetime import date
from typing import Any

from benchmarks.exam.sources import Block, Source

_SHEET_NAME_CHARS = 31  # Excel's limit


def docx(source: Source) -> bytes:
    """Write a source as a Word document with styles for headings and items."""
    import docx as library

    document = library.Document()
    _set_properties(document.core_properties, source)
    document.add_heading(source.title, level=0)
    for section in source.sections:
        document.add_heading(section.heading, level=1)
        for block in section.blocks:
            if block.table:
                rows, columns = len(block.table), len(block.table[0])
                table = document.add_table(rows, columns, style="Table Grid")
                _fill(table, block)
            else:
                style = "List Bullet" if block.is_item else None
                document.add_paragraph(block.text, style=style)
    return _bytes(document)


def pptx(source: Source) -> bytes:
    """Write a source as slides: one for the title, one for each section."""
    import pptx as library
    from pptx.util import Cm

    deck = library.Presentation()
    _set_properties(deck.core_properties, source)
    title, text, title_only = (deck.slide_layouts[number] for number in (0, 1, 5))
    deck.slides.add_slide(title).shapes.title.text = source.title
    for section in source.sections:
        texts = [block.text for block in section.blocks if not block.table]
        slide = deck.slides.add_slide(text if texts else title_only)
        slide.shapes.title.text = section.heading
        if texts:
            slide.placeholders[1].text = "\n".join(texts)
        for block in section.blocks:
            if block.table:
                rows, columns = len(block.table), len(block.table[0])
                place = Cm(1.5), Cm(5), Cm(22), Cm(rows)
                _fill(slide.shapes.add_table(rows, columns, *place).table, block)
    return _bytes(deck)


def xlsx(source: Source) -> bytes:
    """Write a source as a workbook, a sheet for each section; numbers are cells with a format."""
    import openpyxl
    from openpyxl.styles import Font

    book = openpyxl.Workbook()
    book.remove(book.active)
    book.properties.title, book.properties.created = source.title, source.modified
    for section in source.sections:
        sheet = book.create_sheet(section.heading[:_SHEET_NAME_CHARS])
        for block in section.blocks:
            first = sheet.max_row + 1 if sheet["A1"].value is not None else 1
            for number, row in enumerate(block.table or ((block.text,),)):
                for column, text in enumerate(row, start=1):
                    cell = sheet.cell(first + number, column)
                    cell.value, cell.number_format = _typed(text)
                    if block.table and not number:
                        cell.font = Font(bold=True)
    return _bytes(book)


def _typed(text: str) -> tuple[Any, str]:
    """Return what a person would have typed into a cell, and the format of the cell."""
    if re.fullmatch(r"\d+(\.\d+)?%", text):
        return float(text[:-1]) / 100, "0.0%"
    if re.fullmatch(r"0|[1-9]\d*", text):
        return int(text), "General"
    if re.fullmatch(r"\d+\.\d+", text):
        return float(text), "0." + "0" * len(text.partition(".")[2])
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return date.fromisoformat(text), "yyyy-mm-dd"
    return text, "General"


def _fill(table: Any, block: Block) -> None:
    for number, row in enumerate(block.table):
        for column, text in enumerate(row):
            table.cell(number, column).text = text


def _set_properties(properties: Any, source: Source) -> None:
    properties.title = source.title
    properties.created = properties.modified = source.modified


def _bytes(file: Any) -> bytes:
    buffer = io.BytesIO()
    file.save(buffer)
    return buffer.getvalue()
