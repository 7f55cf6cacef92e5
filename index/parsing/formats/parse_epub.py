"""Books (EPUB 2 and 3): the chapters in their order, each read as the HTML that it is."""

import io
import posixpath
from typing import Any
from urllib.parse import unquote
from zipfile import ZipFile

from index.errors import FileLimitError, InvalidFileError
from index.parsing.document import Document
from index.parsing.formats.parse_html import add_html
from index.parsing.office.properties import first_day, parse_xml
from index.parsing.parse_archive import check_archive
from index.parsing.parse_source import Source

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_DC = "{http://purl.org/dc/elements/1.1/}"
_HTML = ("application/xhtml+xml", "text/html")


def parse_epub(source: Source) -> Document:
    """Reads a book without its table of contents; the page of a block is none.

    Raises:
        InvalidFileError: it is no book, broken, or locked by its seller.
        FileLimitError: it has more chapters than pages are allowed.
    """
    check_archive(source, _CONTAINER)
    with ZipFile(io.BytesIO(source.data)) as archive:
        names = set(archive.namelist())
        package = _package(source, archive, names)
        root = parse_xml(archive.read(package))
        chapters = [name for name in _chapters(root, posixpath.dirname(package)) if name in names]
        if len(chapters) > source.limits.max_pages:
            raise FileLimitError(
                f"{source.name!r} has {len(chapters)} chapters, "
                f"at most {source.limits.max_pages} are allowed"
            )
        locked = archive.read(_ENCRYPTION).decode(errors="replace") if _ENCRYPTION in names else ""
        if any(f'URI="{name}"' in locked for name in chapters):
            raise InvalidFileError(f"{source.name!r} is encrypted: its seller has locked it")
        builder = source.builder(_first(root, f"{_DC}title"))
        builder.date = first_day(one.text or "" for one in root.iter(f"{_DC}date"))
        for name in chapters:
            builder.end_section(1)
            part = Source(name=name, data=archive.read(name), limits=source.limits)
            add_html(builder, part.text())
    return builder.build()


def _package(source: Source, archive: ZipFile, names: set[str]) -> str:
    """The name of the part that lists the others."""
    for one in parse_xml(archive.read(_CONTAINER)).iter("{*}rootfile"):
        if one.get("full-path") in names:
            return str(one.get("full-path"))
    raise InvalidFileError(f"{source.name!r} is broken: it does not say what its parts are")


def _chapters(root: Any, folder: str) -> list[str]:
    """The names of the parts to read, in order, each once."""
    items = {
        one.get("id"): posixpath.normpath(posixpath.join(folder, unquote(one.get("href", ""))))
        for one in root.iter("{*}item")
        if one.get("media-type") in _HTML and "nav" not in one.get("properties", "").split()
    }
    order = [one.get("idref") for one in root.iter("{*}itemref") if one.get("linear") != "no"]
    extra = [one.get("idref") for one in root.iter("{*}itemref") if one.get("linear") == "no"]
    return list(dict.fromkeys(items[one] for one in [*order, *extra] if one in items))


def _first(root: Any, tag: str) -> str:
    return next(((one.text or "").strip() for one in root.iter(tag)), "")
