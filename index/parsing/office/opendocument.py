"""The text of OpenDocument files (OpenOffice, LibreOffice): paragraphs, lists, tables, notes.

The names are those of OpenDocument 1.3, part 3. Notes and text boxes follow the paragraph in which
they are anchored; deleted text, comments, reading aids and tables of contents are not read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from index.parsing.document import DocumentBuilder
from index.parsing.office.symbols import without_private
from index.parsing.raised import Place, placed
from index.parsing.table import Cell, grid, num_header_rows, spread

_URN = "urn:oasis:names:tc:opendocument:xmlns:{}:1.0"
TEXT, TABLE, DRAW, OFFICE, STYLE, _FO = (
    f"{{{_URN.format(name)}}}"
    for name in ("text", "table", "drawing", "office", "style", "xsl-fo-compatible")
)
PRESENTATION = f"{{{_URN.format('presentation')}}}"
PARAGRAPHS = (f"{TEXT}p", f"{TEXT}h")
_SKIPPED = {
    f"{TEXT}tracked-changes", f"{OFFICE}annotation", f"{OFFICE}annotation-end", f"{TEXT}ruby-text",
    f"{TEXT}table-of-content", f"{TEXT}alphabetical-index", f"{TEXT}note-citation",
    f"{OFFICE}forms", f"{PRESENTATION}notes", f"{TEXT}sequence-decls",
}  # fmt: skip
_BLANKS = {f"{TEXT}s", f"{TEXT}tab", f"{TEXT}line-break"}
_ANCHORED = {f"{TEXT}note", f"{DRAW}text-box"}
_MAX_LEVEL = 10
_MAX_REPEATED = 100  # rows or cells with words: more of the same says no more
_MAX_COLUMNS = 1_000


@dataclass
class TextReader:
    """Reads what stands in the body of a document into a builder."""

    builder: DocumentBuilder
    styles: "Styles"
    _anchored: list[Any] = field(default_factory=list)

    def read(self, parent: Any) -> None:
        """Reads the children of an element, in order."""
        for element in parent:
            if element.tag in PARAGRAPHS:
                self._read_paragraph(element)
            elif element.tag == f"{TEXT}list":
                self._read_list(element, level=1, style=element.get(f"{TEXT}style-name", ""))
            elif element.tag == f"{TABLE}table":
                rows = [self._row(row) for row in rows_of(element)]
                self.builder.add_table(grid(rows), num_header_rows=num_header_rows(rows))
            elif element.tag == f"{TEXT}soft-page-break" and self.builder.page is not None:
                self.builder.page += 1
            elif element.tag not in _SKIPPED and isinstance(element.tag, str):
                self.read(element)

    def text(self, element: Any) -> str:
        """The words of an element on one line."""
        written = ""
        for text, place in self._pieces(element, "line"):
            written += placed(written[-20:], text, place)
        return written.strip()

    def _read_paragraph(self, element: Any, marker: str = "") -> None:
        if self.styles.is_hidden(element):
            return
        text = self.text(element)
        if element.tag == f"{TEXT}h" and text:
            level = element.get(f"{TEXT}outline-level", "1")
            self.builder.add_heading(min(int(level), _MAX_LEVEL) if level.isdecimal() else 1, text)
        else:
            self.builder.add_block(f"{marker} {text}" if marker and text else text)
        self._read_anchored()

    def _read_anchored(self) -> None:
        anchored, self._anchored = self._anchored, []
        for element in anchored:
            if element.tag == f"{TEXT}note":
                self.builder.add_block(f"Note: {self.text(element)}")
                self._read_anchored()
            else:
                self.read(element)

    def _read_list(self, element: Any, level: int, style: str) -> None:
        number = 0
        for item in element:
            is_first = item.tag == f"{TEXT}list-item"
            number += is_first
            for part in item:
                if part.tag == f"{TEXT}list":
                    own = part.get(f"{TEXT}style-name", style)
                    self._read_list(part, level + 1, own)
                elif part.tag in PARAGRAPHS:
                    marker = self.styles.marker(style, level, number) if is_first else ""
                    self._read_paragraph(part, marker)
                    is_first = False
                else:
                    self.read([part])

    def _row(self, row: Any) -> list[Cell]:
        is_header = row.getparent().tag == f"{TABLE}table-header-rows"
        return cells_of(row, self.text, is_header=is_header)

    def _pieces(self, parent: Any, place: Place) -> Iterator[tuple[str, Place]]:
        yield without_private(parent.text or ""), place
        for child in parent:
            if child.tag in _BLANKS:
                yield " ", place
            elif child.tag in _ANCHORED:
                self._anchored.append(child)
            elif isinstance(child.tag, str) and child.tag not in _SKIPPED:
                if not self.styles.is_hidden(child):
                    yield from self._pieces(child, self.styles.place(child) or place)
                if child.tag in PARAGRAPHS:
                    yield " ", "line"
            yield without_private(child.tail or ""), place


def rows_of(table: Any) -> Iterator[Any]:
    """The rows of a table in order, those of its groups too, without tables inside of cells."""
    for element in table:
        if element.tag == f"{TABLE}table-row":
            yield element
        elif element.tag in (
            f"{TABLE}table-rows", f"{TABLE}table-header-rows", f"{TABLE}table-row-group",
        ):  # fmt: skip
            yield from rows_of(element)


def cells_of(row: Any, text_of: Any, *, is_header: bool = False) -> list[Cell]:
    """The cells of a row; one that is repeated, as spreadsheets write equal ones, stands so often.

    What follows the last cell with words is left out: spreadsheets repeat an empty one to the end.
    """
    cells: list[Cell] = []
    for element in row:
        if element.tag != f"{TABLE}table-cell" or len(cells) >= _MAX_COLUMNS:
            continue
        cell = Cell(
            text_of(element),
            rows=_number(element, f"{TABLE}number-rows-spanned"),
            columns=_number(element, f"{TABLE}number-columns-spanned"),
            is_header=is_header,
        )
        repeated = _number(element, f"{TABLE}number-columns-repeated")
        most = _MAX_REPEATED if cell.text else _MAX_COLUMNS
        cells += [cell] * min(repeated, most, _MAX_COLUMNS - len(cells))
    while cells and not cells[-1].text and cells[-1].rows == 1:
        cells.pop()
    return cells


def sheet_rows(table: Any, text_of: Any) -> Iterator[list[str]]:
    """The rows of a sheet that have words, as they are read."""

    def rows() -> Iterator[list[Cell]]:
        for row in rows_of(table):
            cells = cells_of(row, text_of)
            is_filled = any(cell.text for cell in cells)
            repeated = _number(row, f"{TABLE}number-rows-repeated") if is_filled else 1
            for _ in range(min(repeated, _MAX_REPEATED)):
                yield cells

    return spread(rows())


@dataclass
class Styles:
    """What the automatic and named styles say about text: hidden, raised, numbered."""

    _hidden: set[str] = field(default_factory=set)
    _places: dict[str, Place] = field(default_factory=dict)
    _numbers: dict[tuple[str, int], tuple[str, str]] = field(default_factory=dict)

    def add(self, root: Any) -> None:
        """Reads the styles of a part."""
        for style in root.iter(f"{STYLE}style"):
            name = style.get(f"{STYLE}name", "")
            for one in style.iter(f"{STYLE}text-properties", f"{STYLE}table-properties"):
                if one.get(f"{TEXT}display") == "none" or one.get(f"{TABLE}display") == "false":
                    self._hidden.add(name)
                if place := _place(one.get(f"{STYLE}text-position", "")):
                    self._places[name] = place
        for one in root.iter(f"{TEXT}list-level-style-number"):
            level, style = _number(one, f"{TEXT}level"), one.getparent().get(f"{STYLE}name", "")
            form = one.get(f"{STYLE}num-format", ""), one.get(f"{STYLE}num-suffix", "")
            self._numbers[style, level] = form

    def is_hidden(self, element: Any) -> bool:
        """Whether the style of an element hides its text."""
        name = element.get(f"{TEXT}style-name") or element.get(f"{TABLE}style-name")
        return name in self._hidden

    def place(self, element: Any) -> Place | None:
        """Where the style of an element places its text; None if it does not say."""
        return self._places.get(element.get(f"{TEXT}style-name", ""))

    def marker(self, style: str, level: int, number: int) -> str:
        """What stands before an item of a list: its number, or `-`."""
        form, suffix = self._numbers.get((style, level), ("", ""))
        if form in ("a", "A") and number <= 26:
            return chr(ord(form) + number - 1) + suffix
        return f"{number}{suffix or '.'}" if form else "-"


def _place(position: str) -> Place | None:
    if position.startswith(("super", "sub")):
        return "raised" if position.startswith("super") else "lowered"
    rise = position.partition("%")[0]
    if not rise.lstrip("-").isdecimal() or int(rise) == 0:
        return None
    return "lowered" if rise.startswith("-") else "raised"


def _number(element: Any, name: str) -> int:
    value = element.get(name, "1")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 8 else 1
