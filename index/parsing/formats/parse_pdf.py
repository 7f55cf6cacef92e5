"""PDF, through PDFium (the PDF reader of Chromium): its letters with their places.

PDFium was chosen over pypdf for speed, for ligatures and word spaces, and for the positions of its
letters, which tell headings, paragraphs, columns and tables (index/parsing/pdf). It is C++: read
hostile files through index/parsing/sandbox.py only.
"""

import re
from typing import Any

import pypdfium2 as pdfium

from index.errors import FileLimitError, InvalidFileError
from index.parsing.document import Document
from index.parsing.office.properties import first_day
from index.parsing.parse_source import Source
from index.parsing.pdf.glyphs import Box, read_segments
from index.parsing.pdf.paragraphs import add_lines
from index.parsing.pdf.rows import read_lines
from index.parsing.pdf.segment import Line

_HEADER_WITHIN = 1024  # bytes in which readers look for the mark (PDF 1.7, appendix H, note 13)
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?")  # PDF 1.7, 7.9.4


def parse_pdf(source: Source) -> Document:
    """Reads a PDF that has text; pictures of text are not read.

    Raises:
        InvalidFileError: it is no PDF, broken, encrypted, or has no text.
        FileLimitError: it has more pages or more text than is allowed.
    """
    if b"%PDF-" not in source.data[:_HEADER_WITHIN]:
        found = source.nature() or "something else"
        raise InvalidFileError(f"{source.name!r} is not what its name says: it is {found}")
    try:
        pdf = pdfium.PdfDocument(source.data)
    except pdfium.PdfiumError as err:
        encrypted = "assword" in str(err)
        reason = "is encrypted: it needs a password" if encrypted else f"is broken: {err}"
        raise InvalidFileError(f"{source.name!r} {reason}") from err
    lines = _read_pages(source, pdf)
    if not lines:
        raise InvalidFileError(
            f"{source.name!r} has no text on its {len(pdf)} pages: scanned pages are not read"
        )
    properties = pdf.get_metadata_dict()
    builder = source.builder(properties.get("Title", "").strip())
    days = (properties.get(name, "") for name in ("ModDate", "CreationDate"))
    builder.date = first_day(_iso_day(day) for day in days)
    add_lines(builder, lines)
    pdf.close()
    return builder.build()


def _read_pages(source: Source, pdf: Any) -> list[Line]:
    num_pages = len(pdf)
    if num_pages > source.limits.max_pages:
        raise FileLimitError(
            f"{source.name!r} has {num_pages} pages, at most {source.limits.max_pages} are allowed"
        )
    lines: list[Line] = []
    num_characters = 0
    for number in range(num_pages):
        page = _load_page(source.name, pdf, number)
        text_page = page.get_textpage()
        num_characters += text_page.count_chars()
        if num_characters > source.limits.max_characters:
            raise FileLimitError(
                f"{source.name!r} holds more than {source.limits.max_characters} characters of text"
            )
        segments = read_segments(text_page, Box(*page.get_mediabox()))
        lines += read_lines(segments, number + 1)
        text_page.close()
        page.close()
    return lines


def _load_page(name: str, pdf: Any, number: int) -> Any:
    try:
        return pdf[number]
    except pdfium.PdfiumError as err:
        raise InvalidFileError(f"{name!r} is broken at page {number + 1}: {err}") from err


def _iso_day(text: str) -> str:
    """The day of a PDF's date, where month and day may be missing."""
    found = _DATE.match(text.strip())
    return "" if not found else f"{found[1]}-{found[2] or '01'}-{found[3] or '01'}"
