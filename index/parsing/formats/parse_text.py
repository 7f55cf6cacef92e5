"""Plain text: paragraphs at empty lines, list items, and the headings that people type.

Text files are wrapped by hand or by a program, so a line end means little by itself. It counts as
meant when what follows starts a list item, or when the next word would have fitted on the line and
starts with a capital after a line that is no finished sentence.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from index.parsing.document import MAX_HEADING_CHARS, Document, DocumentBuilder
from index.parsing.parse_source import Source

ITEM = re.compile(r"[ \t]*(?:[-*+•‣▪◦–][ \t]+|\(?(?:\d{1,3}|[a-z])[.)][ \t]+)(?=\S)")  # noqa: RUF001
_UNDERLINE = re.compile(r"[ \t]*(?:(={3,})|-{3,}|~{3,})[ \t]*")
_NUMBERED = re.compile(r"((?:\d{1,3}\.)*\d{1,3})\.?[ \t]+[A-Z][^.!?;:]{0,80}")
_HASHED = re.compile(r"(#{1,6})[ \t]+(.*\S)")
_UNFINISHED = re.compile(r"[^.!?:;,\-]$")
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")


def parse_text(source: Source) -> Document:
    """Reads plain text."""
    builder = source.builder()
    for paragraph in _EMPTY_LINE.split(source.text()):
        lines = [line for line in paragraph.split("\n") if line.strip()]
        _add_paragraph(builder, lines)
    return builder.build()


def join_lines(lines: Sequence[str]) -> Iterator[str]:
    """Joins wrapped lines to paragraphs and list items."""
    if not lines:
        return
    width = max(len(line.rstrip()) for line in lines)
    piece = [lines[0]]
    for line, following in pairwise(lines):
        if _is_meant(line, following, width):
            yield " ".join(piece)
            piece = []
        piece.append(following)
    yield " ".join(piece)


def _add_paragraph(builder: DocumentBuilder, lines: list[str]) -> None:
    while lines and (heading := _heading(lines)):
        level, text, num_lines = heading
        builder.add_heading(level, text)
        lines = lines[num_lines:]
    for text in join_lines(lines):
        builder.add_block(text)


def _heading(lines: list[str]) -> tuple[int, str, int] | None:
    """The level and words of a heading, and how many lines it takes; None if it is none."""
    line = lines[0].strip()
    if len(lines) > 1:
        rule = _UNDERLINE.fullmatch(lines[1])
        found = (1 if rule[1] else 2, line, 2) if rule else None
    elif numbered := _NUMBERED.fullmatch(line):
        found = numbered[1].count(".") + 1, line, 1
    elif line.isupper() and _UNFINISHED.search(line):
        found = 1, line, 1
    else:
        found = None
    hashed = _HASHED.fullmatch(line)
    if hashed and not found:
        found = len(hashed[1]), hashed[2], 1
    return found if len(line) <= MAX_HEADING_CHARS else None


def _is_meant(line: str, following: str, width: int) -> bool:
    """Says whether the break between two lines is one of the text, not of its wrapping."""
    if ITEM.match(following):
        return True
    first_word = following.split(maxsplit=1)[0]
    if len(line.rstrip()) + 1 + len(first_word) > width:
        return False
    starts_anew = first_word[0].isupper() or first_word[0].isdigit()
    return starts_anew and bool(_UNFINISHED.search(line.rstrip()))
