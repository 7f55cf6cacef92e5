"""Presentations: one section a slide under its title, with tables and the speaker's notes."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from pptx import Presentation

from index.errors import FileLimitError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.parse_archive import check_archive
from index.parsing.parse_source import Source
from index.parsing.table import Cell, grid


def parse_pptx(source: Source) -> Document:
    """Reads a presentation; the page of a block is the number of its slide.

    Raises:
        FileLimitError: it has more slides than pages are allowed.
    """
    check_archive(source, "ppt/")
    presentation = Presentation(io.BytesIO(source.data))
    num_slides = len(presentation.slides)
    if num_slides > source.limits.max_pages:
        raise FileLimitError(
            f"{source.name!r} has {num_slides} slides, "
            f"at most {source.limits.max_pages} are allowed"
        )
    builder = source.builder((presentation.core_properties.title or "").strip())
    for number, slide in enumerate(presentation.slides, start=1):
        builder.page = number
        if slide.element.get("show") != "0":  # hidden slides are not shown
            _read_slide(builder, number, slide)
    return builder.build()


def _read_slide(builder: DocumentBuilder, number: int, slide: Any) -> None:
    title = slide.shapes.title
    words = "" if title is None else title.text_frame.text.strip()
    builder.add_heading(1, words or f"Slide {number}")
    for shape in _flat(slide.shapes):
        if title is None or shape.shape_id != title.shape_id:
            _read_shape(builder, shape)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        builder.add_heading(2, "Notes")
        for paragraph in notes.paragraphs:
            builder.add_block(paragraph.text)


def _read_shape(builder: DocumentBuilder, shape: Any) -> None:
    if shape.has_table:
        builder.add_table(_rows(shape.table))
    elif shape.has_text_frame:
        for paragraph in shape.text_frame.paragraphs:
            builder.add_block(_item(paragraph))


def _rows(table: Any) -> list[list[str]]:
    """Cells that are merged into another have no text of their own."""
    return grid(
        [
            Cell(cell.text, rows=cell.span_height, columns=cell.span_width)
            for cell in row.cells
            if not cell.is_spanned
        ]
        for row in table.rows
    )


def _flat(shapes: Iterable[Any]) -> Iterator[Any]:
    """The shapes of a slide, those of groups in their place."""
    for shape in shapes:
        if hasattr(shape, "shapes"):
            yield from _flat(shape.shapes)
        else:
            yield shape


def _item(paragraph: Any) -> str:
    text = paragraph.text.strip()
    return f"- {text}" if text and paragraph.level else text
