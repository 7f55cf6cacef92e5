"""The small Markdown in which the exam's PDF, Word, PowerPoint and Excel files are written.

<!-- modified 2025-03-01 -->      the date of the file, first line
# Title, ## Section               a section is a slide or a sheet
a paragraph of one line, - an item, | a | table |
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby


@dataclass(frozen=True, kw_only=True)
class Block:
    """A paragraph, an item or a table; the table's first row is its header."""

    text: str = ""
    is_item: bool = False
    table: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """What stands under a heading of the second level."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A document before it is written in a format."""

    title: str
    modified: datetime
    sections: tuple[Section, ...]


def read_source(text: str) -> Source:
    """Read a document; raises ValueError if it lacks its date or its title."""
    date_line, *lines = text.splitlines()
    modified = re.fullmatch(r"<!-- modified (\S+) -->", date_line)
    if not modified or not lines or not lines[0].startswith("# "):
        raise ValueError(f"a date and a title must come first, got {text[:80]!r}")
    parts = re.split(r"^## (.*)$", "\n".join(lines[1:]), flags=re.MULTILINE)
    return Source(
        title=lines[0][2:],
        modified=datetime.fromisoformat(modified[1]),
        sections=tuple(
            Section(heading=heading, blocks=tuple(_blocks(body)))
            for heading, body in zip(parts[1::2], parts[2::2], strict=True)
        ),
    )


def _blocks(body: str) -> Iterator[Block]:
    lines = filter(None, map(str.strip, body.splitlines()))
    for is_table, group in groupby(lines, key=lambda line: line.startswith("|")):
        if is_table:
            rows = [tuple(map(str.strip, line.strip("|").split("|"))) for line in group]
            yield Block(table=(rows[0], *rows[2:]))  # without the rule below the header
            continue
        for line in group:
            yield Block(text=line.removeprefix("- "), is_item=line.startswith("- "))
