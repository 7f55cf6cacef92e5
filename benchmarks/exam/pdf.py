"""A PDF of a source: pages of A4 in Helvetica, with a running title, page numbers and tables.

 42  running title                 x = 72 everywhere but in the columns of a table
 90  lines from above, sizes 20, 14 and 10.5
800  page number
"""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.exam.sources import Block, Source

_WIDTH, _HEIGHT, _LEFT = 595, 842, 72
_TOP, _BOTTOM = 90, 770  # from above, in points
_BODY = 10.5
_LETTER = 5.3  # points, on average, of a letter of the body
_COLUMNS = 86  # letters in a line


@dataclass(frozen=True, kw_only=True)
class _Line:
    cells: tuple[tuple[float, str], ...]  # left edge and text
    size: float = _BODY
    space: float = 0.0  # points above it, more than between lines


def pdf(source: Source) -> bytes:
    """Write a source as a PDF."""
    pages = [_page(page, source.title, number) for number, page in _pages(_lines(source))]
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>".encode(),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
        b"<</Title%s/ModDate(D:%s)>>"
        % (_string(source.title), f"{source.modified:%Y%m%d}".encode()),
    ]
    for number, content in enumerate(pages):
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {_WIDTH} {_HEIGHT}]"
            f"/Contents {6 + 2 * number} 0 R/Resources<</Font<</F 3 0 R>>>>>>".encode()
        )
        objects.append(b"<</Length %d>>\nstream\n%s\nendstream" % (len(content), content))
    return pdf_of(objects, b"/Root 1 0 R/Info 4 0 R")


def _lines(source: Source) -> Iterator[_Line]:
    yield _line(source.title, size=20)
    for section in source.sections:
        yield _line(section.heading, size=14, space=16)
        for block in section.blocks:
            yield from _table(block) if block.table else _paragraph(block)


def _paragraph(block: Block) -> Iterator[_Line]:
    mark = "- " if block.is_item else ""
    wrapped = textwrap.wrap(mark + block.text, _COLUMNS, subsequent_indent=" " * len(mark))
    for number, text in enumerate(wrapped):
        yield _line(text, space=0 if number else 10)


def _table(block: Block) -> Iterator[_Line]:
    widths = [max(map(len, column)) * _LETTER + 18 for column in zip(*block.table, strict=True)]
    edges = [_LEFT + sum(widths[:number]) for number in range(len(widths))]
    for number, row in enumerate(block.table):
        yield _Line(cells=tuple(zip(edges, row, strict=True)), space=3 if number else 10)


def _line(text: str, *, size: float = _BODY, space: float = 0.0) -> _Line:
    return _Line(cells=((_LEFT, text),), size=size, space=space)


def _pages(lines: Iterator[_Line]) -> Iterator[tuple[int, list[tuple[float, _Line]]]]:
    number, top = 1, float(_TOP)
    page: list[tuple[float, _Line]] = []
    for line in lines:
        top += line.space + 1.3 * line.size
        if top > _BOTTOM:
            yield number, page
            number, top, page = number + 1, float(_TOP), []
        page.append((top, line))
    yield number, page


def _page(lines: list[tuple[float, _Line]], title: str, number: int) -> bytes:
    drawn = [_draw(8, _LEFT, 42, title)]
    for top, line in lines:
        drawn += [_draw(line.size, left, top, text) for left, text in line.cells]
    return b"\n".join([*drawn, _draw(8, _WIDTH / 2, 800, str(number))])


def _draw(size: float, left: float, top: float, text: str) -> bytes:
    place = f"BT /F {size} Tf {left:.1f} {_HEIGHT - top:.1f} Td ".encode()
    return place + _string(text) + b" Tj ET"


def _string(text: str) -> bytes:
    escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return b"(" + escaped.encode("cp1252") + b")"


def pdf_of(objects: Sequence[bytes], trailer: bytes = b"/Root 1 0 R") -> bytes:
    """Writes a PDF of these objects, numbered from 1."""
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return data + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<</Size %d %s>>\nstartxref\n%d\n%%%%EOF\n"
        % (size, table, size, trailer, len(data))
    )
