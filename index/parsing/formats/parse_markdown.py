"""Markdown (CommonMark with tables) to plain text under headings."""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.token import Token

from index.parsing.document import Document, DocumentBuilder
from index.parsing.formats.parse_html import words_of_html
from index.parsing.parse_source import Source

FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def parse_markdown(source: Source) -> Document:
    """Reads Markdown; markup, front matter and HTML tags go, the words stay."""
    reader = _Reader(source.builder())
    text = FRONT_MATTER.sub("", source.text())
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        reader.read(token)
    return reader.builder.build()


class _Reader:
    """Turns the flat token stream into headings and blocks."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self._heading_level = 0  # inside a heading: its level
        self._item_marker = ""  # at the start of a list item: what precedes its text
        self._cells: list[str] | None = None  # inside a table row: its cells so far
        self._rows: list[list[str]] = []  # of the table that is open

    def read(self, token: Token) -> None:
        match token.type:
            case "heading_open" | "heading_close":
                self._heading_level = int(token.tag[1]) if token.nesting == 1 else 0
            case "list_item_open":
                self._item_marker = f"{token.info}. " if token.info else "- "
            case "table_open" | "table_close" | "tr_open" | "tr_close":
                self._read_table(token.type)
            case "inline":
                self._add(_plain(token.children or []))
            case "fence" | "code_block":
                self.builder.add_code(token.content)
                self._item_marker = ""
            case "html_block":
                self._add(words_of_html(token.content))

    def _read_table(self, token_type: str) -> None:
        if token_type == "table_open":
            self._rows = []
        elif token_type == "tr_close":
            self._rows.append(self._cells or [])
        elif token_type == "table_close":
            self.builder.add_table(self._rows, num_header_rows=1)
        self._cells = [] if token_type == "tr_open" else None

    def _add(self, text: str) -> None:
        if self._heading_level:
            self.builder.add_heading(self._heading_level, text)
        elif self._cells is not None:
            self._cells.append(text)
        else:
            self.builder.add_block(self._item_marker + text if text else "")
            self._item_marker = ""


def _plain(children: Sequence[Token]) -> str:
    """The words of inline markup; an image is its alternative text."""
    pieces = []
    for child in children:
        if child.type in ("softbreak", "hardbreak"):
            pieces.append("\n")
        elif child.type in ("text", "code_inline", "image"):
            pieces.append(child.content)
    return "".join(pieces)
