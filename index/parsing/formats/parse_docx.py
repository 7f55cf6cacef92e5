"""Word documents: headings by their style, list items, tables, pages where Word noted them.

python-docx opens the package and knows the styles. The text is read from the XML itself, since
`Paragraph.text` leaves out content controls and tracked insertions. Deleted text, comments,
headers, footers and hidden text are not part of what a reader reads on.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

from docx import Document as open_document
from docx.oxml.ns import qn

from index.parsing.document import Document, DocumentBuilder
from index.parsing.formats.parse_docx_table import ROW, own, table_cells
from index.parsing.parse_archive import check_archive
from index.parsing.parse_source import Source
from index.parsing.table import grid, num_header_rows

_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_TEXT, _TAB, _BREAK = qn("w:t"), qn("w:tab"), (qn("w:br"), qn("w:cr"))
_PARAGRAPH, _TABLE = qn("w:p"), qn("w:tbl")
_PAGE_BREAK = qn("w:lastRenderedPageBreak")
_VALUE = qn("w:val")
# Alternate content repeats its text for old programs; the properties hold tab stops, not tabs.
_SKIPPED = frozenset(
    {qn("w:del"), qn("w:moveFrom"), qn("w:pPr"), qn("w:rPr")}
    | {"{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
)


def parse_docx(source: Source) -> Document:
    """Reads a Word document."""
    check_archive(source, "word/")
    opened = open_document(io.BytesIO(source.data))
    body = opened.element.body
    title = opened.core_properties.title or ""
    styles = {style.style_id: style.name or "" for style in opened.styles}
    reader = _Reader(source.builder(title.strip()), styles)
    if next(body.iter(_PAGE_BREAK), None) is not None:
        reader.builder.page = 1
    reader.read(body)
    return reader.builder.build()


class _Reader:
    """Walks the body; what contains no text itself (sections, content controls) is walked into."""

    def __init__(self, builder: DocumentBuilder, styles: dict[str, str]) -> None:
        self.builder = builder
        self._styles = styles

    def read(self, parent: Any) -> None:
        for element in parent:
            if element.tag == _PARAGRAPH:
                self._read_paragraph(element)
            elif element.tag == _TABLE:
                self._read_table(element)
            elif element.tag not in _SKIPPED:
                self.read(element)

    def _read_paragraph(self, paragraph: Any) -> None:
        text = "".join(_texts(paragraph))
        style = self._styles.get(_property(paragraph, "w:pStyle"), "")
        if heading := _HEADING.fullmatch(style):
            self._turn_pages(paragraph)
            self.builder.add_heading(int(heading[1]), text)
            return
        is_item = style.startswith("List") or paragraph.find(".//" + qn("w:numPr")) is not None
        self.builder.add_block(f"- {text}" if is_item and text.strip() else text)
        self._turn_pages(paragraph)  # a paragraph stands on the page on which it begins

    def _read_table(self, table: Any) -> None:
        pages = []
        for row in own(table, ROW):
            pages.append(self.builder.page)
            self._turn_pages(row)
        rows = table_cells(table, lambda cell: "".join(_texts(cell)))
        after = self.builder.page
        marked = num_header_rows(rows)
        self.builder.add_table(grid(rows), num_header_rows=marked, pages=pages)
        self.builder.page = after

    def _turn_pages(self, element: Any) -> None:
        if self.builder.page is not None:
            self.builder.page += sum(1 for _ in element.iter(_PAGE_BREAK))


def _texts(element: Any) -> Iterator[str]:
    """The visible pieces of text, white space where paragraphs and lines end."""
    for child in element:
        if child.tag == _TEXT:
            yield child.text or ""
        elif child.tag == _TAB or child.tag in _BREAK:
            yield " "
        elif child.tag not in _SKIPPED and not _is_hidden(child):
            yield from _texts(child)
            if child.tag == _PARAGRAPH:
                yield " "


def _is_hidden(run: Any) -> bool:
    properties = run.find(qn("w:rPr"))
    return properties is not None and properties.find(qn("w:vanish")) is not None


def _property(paragraph: Any, name: str) -> str:
    found = paragraph.find(f"{qn('w:pPr')}/{qn(name)}")
    return "" if found is None else str(found.get(_VALUE))
