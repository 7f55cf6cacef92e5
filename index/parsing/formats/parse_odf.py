"""OpenDocument: texts (.odt), workbooks (.ods) and presentations (.odp) of LibreOffice and others.

The text is read from content.xml; headers and footers stand elsewhere and repeat on each page.
"""

import io
from typing import Any
from zipfile import ZipFile

from index.errors import FileLimitError, InvalidFileError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.office.opendocument import (
    DRAW,
    OFFICE,
    PARAGRAPHS,
    PRESENTATION,
    TABLE,
    Styles,
    TextReader,
    sheet_rows,
)
from index.parsing.office.properties import Properties, first_day, parse_xml
from index.parsing.parse_archive import check_archive
from index.parsing.parse_source import Source

_DC = "{http://purl.org/dc/elements/1.1/}"


def parse_odf(source: Source) -> Document:
    """Reads an OpenDocument file; the page of a block is the number of its slide.

    Raises:
        InvalidFileError: it is another format, broken or encrypted.
        FileLimitError: it has more sheets or slides than pages are allowed.
    """
    check_archive(source, "content.xml")
    with ZipFile(io.BytesIO(source.data)) as archive:
        parts = {name: _part(archive, name) for name in ("content.xml", "styles.xml", "meta.xml")}
        manifest = _member(archive, "META-INF/manifest.xml")
    if b"encryption-data" in manifest:
        raise InvalidFileError(f"{source.name!r} is encrypted: it needs a password")
    styles = Styles()
    for name in ("styles.xml", "content.xml"):
        if parts[name] is not None:
            styles.add(parts[name])
    properties = _properties(parts["meta.xml"])
    builder = source.builder(properties.title)
    builder.date = properties.date
    root = parts["content.xml"]
    body = None if root is None else root.find(f"{OFFICE}body")
    for content in () if body is None else body:
        _read_content(source, TextReader(builder, styles), content)
    return builder.build()


def _read_content(source: Source, reader: TextReader, content: Any) -> None:
    if content.tag == f"{OFFICE}spreadsheet":
        sheets = content.findall(f"{TABLE}table")
        _check_number(source, len(sheets), "sheets")
        for sheet in sheets:
            if not reader.styles.is_hidden(sheet):
                _read_sheet(reader, sheet)
    elif content.tag == f"{OFFICE}presentation":
        slides = content.findall(f"{DRAW}page")
        _check_number(source, len(slides), "slides")
        for number, slide in enumerate(slides, start=1):
            _read_slide(reader, slide, number)
    else:
        reader.read(content)


def _read_sheet(reader: TextReader, sheet: Any) -> None:
    builder: DocumentBuilder = reader.builder
    builder.end_section(1)
    rows = (row for row in sheet_rows(sheet, reader.text) if any(row))
    first = next(rows, None)
    if first is not None:  # an empty sheet leaves no heading
        builder.add_part(sheet.get(f"{TABLE}name", ""))
        builder.add_table(row for part in ([first], rows) for row in part)


def _read_slide(reader: TextReader, slide: Any, number: int) -> None:
    reader.builder.page = number
    frames = [one for one in slide if one.tag != f"{PRESENTATION}notes"]
    titles = [one for one in frames if one.get(f"{PRESENTATION}class") == "title"]
    words = " ".join(reader.text(one) for title in titles for one in title.iter(*PARAGRAPHS))
    reader.builder.add_part(words or f"Slide {number}")
    reader.read([one for one in frames if one not in titles])
    for notes in slide.iterchildren(f"{PRESENTATION}notes"):
        bodies = [one for one in notes if one.get(f"{PRESENTATION}class") == "notes"]
        if any(reader.text(one) for body in bodies for one in body.iter(*PARAGRAPHS)):
            reader.builder.add_heading(3, "Notes")
            reader.read(bodies)


def _check_number(source: Source, number: int, what: str) -> None:
    if number > source.limits.max_pages:
        raise FileLimitError(
            f"{source.name!r} has {number} {what}, at most {source.limits.max_pages} are allowed"
        )


def _properties(root: Any | None) -> Properties:
    if root is None:
        return Properties()
    days = [one.text or "" for one in root.iter(f"{_DC}date")]
    title = next((one.text or "" for one in root.iter(f"{_DC}title")), "")
    return Properties(title=title.strip(), date=first_day(days))


def _part(archive: ZipFile, name: str) -> Any | None:
    content = _member(archive, name)
    return parse_xml(content) if content else None


def _member(archive: ZipFile, name: str) -> bytes:
    return archive.read(name) if name in archive.namelist() else b""
