"""Word documents: headings, list items with their numbers, tables, pages where Word noted them.

python-docx opens the package. The text is read from the XML itself, since `Paragraph.text` leaves
out content controls, tracked insertions, notes, equations and text boxes. Headers and footers
repeat on each page and are not read; macros are never looked at.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any

from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.package import OpcPackage
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from index.parsing.document import MAX_HEADING_CHARS, Document, DocumentBuilder
from index.parsing.office.drawings import CHART, DIAGRAM, add_chart, add_diagram
from index.parsing.office.properties import read_properties
from index.parsing.office.strict import transitional
from index.parsing.office.word_numbering import Numbering
from index.parsing.office.word_styles import VALUE, Style, Styles, heading_level, whole
from index.parsing.office.word_tables import ROW, own, table_cells
from index.parsing.office.word_text import ALTERNATES, PARAGRAPH, SKIPPED, TextReader, alternative
from index.parsing.parse_archive import check_archive
from index.parsing.parse_source import Source
from index.parsing.table import grid, num_header_rows

_TABLE = qn("w:tbl")
_PAGE_BREAK = qn("w:lastRenderedPageBreak")
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_TYPES = RELATIONSHIP_TYPE
_NOTE_PARTS = {
    "footnotes": (_TYPES.FOOTNOTES, "w:footnote"),
    "endnotes": (_TYPES.ENDNOTES, "w:endnote"),
}


def parse_docx(source: Source) -> Document:
    """Reads a Word document or template, with macros or without."""
    check_archive(source, "word/")
    part = OpcPackage.open(io.BytesIO(transitional(source.data))).main_document_part
    body = _root(part).find(qn("w:body"))
    properties = read_properties(source.data)
    builder = source.builder(properties.title)
    builder.date = properties.date
    reader = _Reader(builder, part)
    if body is not None:
        if next(body.iter(_PAGE_BREAK), None) is not None:
            builder.page = 1
        reader.read(body)
    if not properties.title:
        builder.title = reader.title or builder.title
    return builder.build()


class _Reader:
    """Walks the body; what contains no text itself (sections, content controls) is walked into.

    `title` is the first paragraph in the style Title, empty if there is none.
    """

    def __init__(self, builder: DocumentBuilder, part: Any) -> None:
        self.builder = builder
        self.title = ""
        self._part = part
        self._styles = Styles(_related(part, _TYPES.STYLES))
        self._numbering = Numbering(_related(part, _TYPES.NUMBERING))
        self._texts = TextReader(self._styles)
        self._notes = {
            (kind, str(note.get(qn("w:id")))): note
            for kind, (relation, tag) in _NOTE_PARTS.items()
            for note in _children(_related(part, relation), tag)
        }

    def read(self, parent: Any) -> None:
        for element in parent:
            if element.tag == PARAGRAPH:
                self._read_paragraph(element)
                self._read_anchored()
            elif element.tag == _TABLE:
                self._read_table(element)
                self._read_anchored()
            elif element.tag == ALTERNATES:
                self.read(alternative(element))
            elif element.tag not in SKIPPED:
                self.read(element)

    def _read_paragraph(self, paragraph: Any) -> None:
        properties = paragraph.find(qn("w:pPr"))
        style = self._styles.of(properties, "w:pStyle")
        text = self._texts.text(paragraph)
        is_seen = bool(text.strip()) and not style.is_hidden and not style.is_contents
        if is_seen and (marker := self._marker(properties, style)):
            text = f"{marker} {text}"
        level = _outline(properties) or style.heading_level
        if level and is_seen and len(text) <= MAX_HEADING_CHARS:
            self._turn_pages(paragraph)
            self.builder.add_heading(level, text)
            return
        if is_seen:
            if style.name == "Title" and not self.title:
                self.title = text.strip()
            self.builder.add_block(text)
        self._turn_pages(paragraph)  # a paragraph stands on the page on which it begins

    def _marker(self, properties: Any, style: Style) -> str:
        own = None if properties is None else properties.find(qn("w:numPr"))
        number, level = style.number, style.number_level
        if own is not None:
            number = _value(own, "w:numId") or number
            level = whole(_value(own, "w:ilvl")) if own.find(qn("w:ilvl")) is not None else level
        if number is not None:
            return self._numbering.marker(number, level)
        return "-" if style.is_list else ""

    def _read_anchored(self) -> None:
        """Reads the notes and text boxes of what was read last; a box may have some of its own."""
        notes, self._texts.notes = self._texts.notes, []
        boxes, self._texts.boxes = self._texts.boxes, []
        for place in notes:
            note = self._notes.pop(place, None)  # once, and none that contains itself
            if note is not None:
                self.builder.add_block(f"Note: {self._texts.text(note).strip()}")
                self._read_anchored()
        for box in boxes:
            if box.tag == f"{CHART}chart":
                self._read_drawing(box.get(f"{_RELATION}id"), add_chart)
            elif box.tag == f"{DIAGRAM}relIds":
                self._read_drawing(box.get(f"{_RELATION}dm"), add_diagram)
            else:
                self.read(box)

    def _read_drawing(
        self, relation: str | None, add: Callable[[DocumentBuilder, Any], None]
    ) -> None:
        if relation in self._part.related_parts:
            add(self.builder, _root(self._part.related_parts[relation]))

    def _read_table(self, table: Any) -> None:
        pages = []
        for row in own(table, ROW):
            pages.append(self.builder.page)
            self._turn_pages(row)
        rows = table_cells(table, self._texts.text)
        after = self.builder.page
        marked = num_header_rows(rows)
        self.builder.add_table(grid(rows), num_header_rows=marked, pages=pages)
        self.builder.page = after

    def _turn_pages(self, element: Any) -> None:
        if self.builder.page is not None:
            self.builder.page += sum(1 for _ in element.iter(_PAGE_BREAK))


def _related(part: Any, relation: str) -> Any | None:
    """The root of the part that this one names; None without, or where it is of another file."""
    for one in part.rels.values():
        if one.reltype == relation and not one.is_external:
            return _root(one.target_part)
    return None


def _root(part: Any) -> Any:
    """The root of a part, which python-docx has read already where it knows its kind."""
    element = getattr(part, "element", None)
    return parse_xml(part.blob) if element is None else element


def _children(root: Any | None, tag: str) -> Iterator[Any]:
    return iter(()) if root is None else root.iterchildren(qn(tag))


def _outline(properties: Any) -> int | None:
    return None if properties is None else heading_level(_value(properties, "w:outlineLvl"))


def _value(properties: Any, name: str) -> str | None:
    found = properties.find(qn(name))
    return None if found is None else str(found.get(VALUE))
