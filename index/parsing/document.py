"""A parsed document: plain text in blocks, each under its headings."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from index.errors import FileLimitError
from index.parsing.parse_limits import ParseLimits
from index.parsing.table import table_lines
from index.rows import join_cells

MAX_HEADING_CHARS = 200
BLOCK_SEPARATOR = "\n\n"

BlockKind = Literal["prose", "row", "code"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A paragraph or list item (prose), a row of a table, or a listing (code).

    Only code has line breaks. `char_start` is where the block stands in the document's plain text;
    `page` counts from 1, None in formats without pages; `columns` is the header of the table that
    a row belongs to (the header itself too), a row of its own; empty where there is none.
    """

    heading_path: tuple[str, ...]
    text: str
    char_start: int
    kind: BlockKind = "prose"
    page: int | None = None
    columns: str = ""


@dataclass(frozen=True, kw_only=True)
class Document:
    """Plain text without markup; its spans are what citations point at.

    `date` is when it was written, by its own word: ISO 8601, YYYY-MM-DD; None if it does not say.
    """

    title: str
    blocks: tuple[Block, ...]
    date: str | None = None

    @property
    def text(self) -> str:
        """The whole plain text: the blocks with an empty line between them."""
        return BLOCK_SEPARATOR.join(block.text for block in self.blocks)


@dataclass
class DocumentBuilder:
    """Collects headings and blocks in reading order; every text is cleaned on its way in.

    A heading with nothing below it becomes a block of its own, so that no text is lost. Set `page`
    before what stands on it.

    Attributes:
        title: of the document, or the name of its file.
        own_title: the title that it gives itself; empty: none.

    Raises:
        FileLimitError: the text or the number of blocks exceeds its limit.
    """

    title: str
    own_title: str = ""
    limits: ParseLimits = field(default_factory=ParseLimits)
    date: str | None = None
    page: int | None = None
    _blocks: list[Block] = field(default_factory=list)
    _headings: list[tuple[int, str]] = field(default_factory=list)
    _path: tuple[str, ...] = ()
    _end: int = 0
    _last_heading_is_bare: bool = False

    def add_heading(self, level: int, text: str) -> None:
        """Opens a section; level 1 is the outermost."""
        text = one_line(text)[:MAX_HEADING_CHARS].rstrip()
        if not text:
            return
        self.end_section(level)
        self._headings.append((level, text))
        self._path = (*self._path, text)
        self._last_heading_is_bare = True

    def add_part(self, name: str) -> None:
        """Opens a sheet or a slide below the document's own title: "Terms" is of many documents."""
        self.add_heading(1, self.own_title)
        if name != self.own_title:
            self.add_heading(2, name)

    def end_section(self, level: int) -> None:
        """Closes the sections from this level inwards."""
        if not self._headings or level > self._headings[-1][0]:
            return
        self._keep_bare_heading()
        self._headings = [heading for heading in self._headings if heading[0] < level]
        self._path = tuple(heading for _, heading in self._headings)

    def add_block(self, text: str) -> None:
        """Adds prose to the section that is open; an empty one is dropped."""
        self._add(one_line(text), "prose")

    def add_code(self, text: str) -> None:
        """Adds a listing, indented as it is; of several empty lines one stays."""
        lines = [line.rstrip() for line in clean_text(text).splitlines()]
        self._add(_EMPTY_LINES.sub("\n\n", "\n".join(lines)).strip("\n"), "code")

    def add_table(
        self,
        rows: Iterable[Sequence[str]],
        *,
        title: str = "",
        num_header_rows: int | None = None,
        pages: Sequence[int | None] = (),
    ) -> None:
        """Adds a table, or a sheet of several, row by row.

        Titles above a header become prose; its rows become one; no row is repeated.

        Args:
            rows: cells as `table.grid` or `table.spread` lay them out.
            title: the caption, if it is known; else the row above the header.
            num_header_rows: how many rows are the header, 0 if none is; None: found out.
            pages: the page of each row, where a table goes over several.
        """
        cleaned = ([one_line(cell) for cell in row] for row in rows)
        path = self._path
        names: Sequence[str] = ()
        columns = ""
        for line in table_lines(cleaned, num_header_rows):
            if pages:
                self.page = pages[line.number]
            above = one_line(title or line.title)[:MAX_HEADING_CHARS].rstrip()
            self._path = (*path, above) if above and path[-1:] != (above,) else path
            kind: BlockKind = "prose" if line.kind == "title" and len(line.cells) == 1 else "row"
            if line.columns is not names:
                names, columns = line.columns, join_cells(line.columns)
            self._add(join_cells(line.cells), kind, columns=columns)
        self._path = path

    def add_row(self, cells: Sequence[str]) -> None:
        """Adds a row that belongs to no table, such as the fields of a record."""
        self._add(join_cells([one_line(cell) for cell in cells]), "row")

    def build(self) -> Document:
        """The finished document."""
        self._keep_bare_heading()
        return Document(
            title=one_line(self.title), blocks=tuple(self._blocks), date=iso_date(self.date)
        )

    def _add(self, text: str, kind: BlockKind, columns: str = "") -> None:
        if not text:
            return
        start = self._end + len(BLOCK_SEPARATOR) if self._blocks else 0
        self._end = start + len(text)
        self._check_limits()
        self._blocks.append(
            Block(
                heading_path=self._path,
                text=text,
                char_start=start,
                kind=kind,
                page=self.page,
                columns=columns,
            )
        )
        self._last_heading_is_bare = False

    def _check_limits(self) -> None:
        if self._end > self.limits.max_characters:
            raise FileLimitError(
                f"{self.title!r} holds more than {self.limits.max_characters} characters of text"
            )
        if len(self._blocks) >= self.limits.max_blocks:
            raise FileLimitError(
                f"{self.title!r} holds more than {self.limits.max_blocks} paragraphs and rows"
            )

    def _keep_bare_heading(self) -> None:
        if self._last_heading_is_bare:
            self._last_heading_is_bare = False
            self.add_block(self._headings[-1][1])


def clean_text(text: str) -> str:
    r"""Normalises to NFC, line ends to \n, and drops what no reader sees.

    Such characters (control, zero-width, bidirectional, tags) can hide instructions or split words
    that a filter looks for. Those that separate words (\v, U+0085, U+2028 and the like) stay: they
    are white space to str.split and line ends to str.splitlines.
    """
    if not _UNCLEAN.search(text):
        return text
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n")
    text = _COLOURS.sub("", text) if "\x1b" in text else text
    return unicodedata.normalize("NFC", text.translate(_Visible()))


def one_line(text: str) -> str:
    """Cleans a text and puts it on one line."""
    return " ".join(clean_text(text).split())


def iso_date(text: str | None) -> str | None:
    """The day that a text of ISO 8601 begins with; None if there is none."""
    found = _ISO_DATE.match(text or "")
    try:
        return date(*map(int, found.groups())).isoformat() if found else None
    except ValueError:  # the 31st of February
        return None


_EMPTY_LINES = re.compile(r"\n{3,}")
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")  # of a terminal
_ISO_DATE = re.compile(r"\s*(\d{4})-?(\d\d)-?(\d\d)(?!\d)")
_UNCLEAN = re.compile(r"[^\n\t -~]")  # but for these, nothing is there to clean


class _Visible(dict[int, int | None]):
    """A translation table that is filled in as characters are met: None drops one.

    The categories are control, format, private use, surrogate and unassigned.
    """

    def __missing__(self, code: int) -> int | None:
        char = chr(code)
        is_seen = char.isspace() or unicodedata.category(char)[0] != "C"
        self[code] = code if is_seen else None
        return self[code]
