"""From the bytes of a file to a document of plain text.

The type is told by the name and checked against the bytes. Text is UTF-8, normalised to NFC;
characters that no reader sees (control, zero-width, bidirectional, tags) are dropped, since they
can hide instructions or split words that a filter looks for.
"""

import re
import unicodedata
from collections.abc import Callable
from pathlib import PurePosixPath

from index.document import Document, DocumentBuilder
from index.errors import InvalidFileError, UnsupportedFileError
from index.parse_html import parse_html
from index.parse_markdown import parse_markdown

Parser = Callable[[str, str], Document]


def parse(filename: str, data: bytes) -> Document:
    """Reads a file.

    Args:
        filename: its extension tells the type.
        data: the bytes as uploaded.

    Returns:
        A document with at least one block.

    Raises:
        UnsupportedFileError: no parser reads this extension.
        InvalidFileError: the bytes are not UTF-8 text, or hold no text.
    """
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    parser = _PARSERS.get(PurePosixPath(name.lower()).suffix)
    if parser is None:
        raise UnsupportedFileError(f"{name!r} is not one of {', '.join(sorted(_PARSERS))}")
    document = parser(name, clean_text(_decode(name, data)))
    if not document.blocks:
        raise InvalidFileError(f"{name!r} holds no text in its {len(data)} bytes")
    return document


def clean_text(text: str) -> str:
    r"""Normalises to NFC, line ends to \n, and drops what no reader sees."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text.translate(_Visible()))


def _decode(name: str, data: bytes) -> str:
    nul = data.find(b"\0")
    if nul >= 0:
        raise InvalidFileError(f"{name!r} is binary: it has a NUL byte at offset {nul}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise InvalidFileError(f"{name!r} is not UTF-8 text: {err.reason} at {err.start}") from err


def _parse_text(name: str, text: str) -> Document:
    builder = DocumentBuilder(title=name)
    for paragraph in re.split(r"\n[ \t]*\n", text):
        builder.add_block(paragraph)
    return builder.build()


class _Visible(dict[int, int | None]):
    """A translation table that is filled in as characters are met: None drops one.

    The categories are control, format, private use, surrogate and unassigned.
    """

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        self[code] = code if char in "\n\t" or unicodedata.category(char)[0] != "C" else None
        return self[code]


_PARSERS: dict[str, Parser] = {
    ".txt": _parse_text,
    ".md": parse_markdown,
    ".markdown": parse_markdown,
    ".html": parse_html,
    ".htm": parse_html,
}
