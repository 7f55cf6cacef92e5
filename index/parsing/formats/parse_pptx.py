"""Presentations: one section a slide under its title, with tables, charts, diagrams and notes."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.oxml import parse_xml
from pptx.package import Package

from index.errors import FileLimitError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.office.drawings import DIAGRAM, DRAWING, add_chart, add_diagram
from index.parsing.office.properties import read_properties
from index.parsing.office.slide_text import body_text, paragraph_text
from index.parsing.office.strict import transitional
from index.parsing.office.word_text import ALTERNATES, alternative
from index.parsing.parse_archive import check_archive
from index.parsing.parse_source import Source
from index.parsing.table import Cell, grid

_ROW_HEIGHT = 228_600  # EMU, a quarter of an inch: shapes that begin so close stand side by side
_FURNITURE = {PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER}
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def parse_pptx(source: Source) -> Document:
    """Reads a presentation, show or template; the page of a block is the number of its slide.

    Raises:
        FileLimitError: it has more slides than pages are allowed.
    """
    check_archive(source, "ppt/")
    package = Package.open(io.BytesIO(transitional(source.data)))
    slides = package.main_document_part.presentation.slides
    if len(slides) > source.limits.max_pages:
        raise FileLimitError(
            f"{source.name!r} has {len(slides)} slides, "
            f"at most {source.limits.max_pages} are allowed"
        )
    properties = read_properties(source.data)
    builder = source.builder(properties.title)
    builder.date = properties.date
    for number, slide in enumerate(slides, start=1):
        builder.page = number
        if slide.element.get("show") != "0":  # hidden slides are not shown
            _read_slide(builder, number, slide)
    return builder.build()


def _read_slide(builder: DocumentBuilder, number: int, slide: Any) -> None:
    title = slide.shapes.title
    words = "" if title is None else body_text(_paragraphs(title))
    builder.add_part(words or f"Slide {number}")
    for shape in _flat(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _read_shape(builder, shape)
    for alternates in slide.shapes.element.iter(ALTERNATES):
        if next(alternates.iterancestors(f"{DRAWING}p"), None) is None:
            for paragraph in alternative(alternates).iter(f"{DRAWING}p"):
                builder.add_block(paragraph_text(paragraph))
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        builder.add_heading(3, "Notes")
        for paragraph in notes.paragraphs:
            builder.add_block(paragraph_text(paragraph._p))


def _read_shape(builder: DocumentBuilder, shape: Any) -> None:
    if shape.has_table:
        builder.add_table(_rows(shape.table))
    elif shape.has_chart:
        add_chart(builder, shape.chart_part._element)
    elif shape.has_text_frame:
        for paragraph in _paragraphs(shape):
            builder.add_block(_item(paragraph))
    else:
        for name in shape.element.iter(f"{DIAGRAM}relIds"):
            relation = name.get(f"{_RELATION}dm", "")
            if relation in shape.part.rels:
                add_diagram(builder, parse_xml(shape.part.related_part(relation).blob))


def _rows(table: Any) -> list[list[str]]:
    """Cells that are merged into another have no text of their own."""
    return grid(
        [
            Cell(body_text(_paragraphs(cell)), rows=cell.span_height, columns=cell.span_width)
            for cell in row.cells
            if not cell.is_spanned
        ]
        for row in table.rows
    )


def _flat(shapes: Iterable[Any]) -> Iterator[Any]:
    """The shapes from the top down, then from left to right, those of groups in their place."""
    for shape in sorted(shapes, key=_position):
        if hasattr(shape, "shapes"):
            yield from _flat(shape.shapes)
        elif not _is_furniture(shape):
            yield shape


def _position(shape: Any) -> tuple[int, int]:
    return (shape.top or 0) // _ROW_HEIGHT, shape.left or 0


def _is_furniture(shape: Any) -> bool:
    """Whether it repeats on each slide, or is not shown."""
    if shape.is_placeholder and shape.placeholder_format.type in _FURNITURE:
        return True
    properties = next(shape.element.iter("{*}cNvPr"), None)
    return properties is not None and properties.get("hidden") in ("1", "true")


def _paragraphs(shape: Any) -> list[Any]:
    return [paragraph._p for paragraph in shape.text_frame.paragraphs]


def _item(paragraph: Any) -> str:
    text = paragraph_text(paragraph).strip()
    properties = paragraph.find(f"{DRAWING}pPr")
    level = "0" if properties is None else properties.get("lvl", "0")
    return f"- {text}" if text and level != "0" else text
