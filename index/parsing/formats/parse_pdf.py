"""PDF, through PDFium (the PDF reader of Chromium): the text of each page in its lines.

PDFium was chosen over pypdf for speed (3 ms a page against 50), for ligatures and word spaces, and
for the positions of its characters, which tell headings and paragraphs. It is C++: read hostile
files through index/parsing/sandbox.py only.
"""

import ctypes
from typing import Any

import pypdfium2 as pdfium
from pypdfium2 import raw

from index.errors import FileLimitError, InvalidFileError
from index.parsing.document import Document
from index.parsing.formats.parse_pdf_lines import Line, add_lines
from index.parsing.parse_source import Source

_HEADER_WITHIN = 1024  # bytes in which readers look for the mark (PDF 1.7, appendix H, note 13)


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
    builder = source.builder(pdf.get_metadata_dict().get("Title", "").strip())
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
        lines += _lines(text_page, number + 1)
        text_page.close()
        page.close()
    return lines


def _load_page(name: str, pdf: Any, number: int) -> Any:
    try:
        return pdf[number]
    except pdfium.PdfiumError as err:
        raise InvalidFileError(f"{name!r} is broken at page {number + 1}: {err}") from err


def _lines(text_page: Any, page: int) -> list[Line]:
    lines = []
    index = 0  # of the line's first character, in UTF-16 units
    for text in text_page.get_text_range().split("\n"):
        words = text.strip()
        if words:
            before = len(text) - len(text.lstrip())
            character = raw.FPDFText_GetCharIndexFromTextIndex(text_page, index + before)
            lines.append(
                Line(
                    text=words,
                    page=page,
                    size=_size(text_page, character),
                    height=_height(text_page, character),
                )
            )
        index += len(text.encode("utf-16-le", "surrogatepass")) // 2 + 1
    return lines


def _size(text_page: Any, character: int) -> float:
    """The size of a character as it is shown, to half a point."""
    matrix = raw.FS_MATRIX()
    scale = 1.0
    if raw.FPDFText_GetMatrix(text_page, character, matrix):
        scale = (matrix.b**2 + matrix.d**2) ** 0.5
    return float(round(raw.FPDFText_GetFontSize(text_page, character) * scale * 2) / 2)


def _height(text_page: Any, character: int) -> float:
    """Where its base line is on the page, from below."""
    x, y = ctypes.c_double(), ctypes.c_double()
    raw.FPDFText_GetCharOrigin(text_page, character, x, y)
    return y.value
