"""Plain text: paragraphs at empty lines, lines, rows, list items, the headings that people type."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from index.parsing.document import MAX_HEADING_CHARS, Document, DocumentBuilder
from index.parsing.parse_source import Source
from index.parsing.text_lines import GAP, ITEM, are_meant, begins_own_line, is_field, join_lines

__all__ = ["join_lines"]  # of index/parsing/text_lines.py, for the texts of other formats

_UNDERLINE = re.compile(r"[ \t]*(?:(={3,})|-{3,}|~{3,})[ \t]*")
_RULE = re.compile(r"[ \t]*[-=_*~#+.]{3,}[ \t]*")
_NUMBERED = re.compile(r"((?:\d{1,2}\.){0,4}\d{1,2})\.?[ \t]+(?=[^\W\d_])[^.!?;:]{1,80}")
_HASHED = re.compile(r"([#=]{1,6})[ \t]+(.*\S)")
_ENDS_LIKE_PROSE = re.compile(r"[.!?:;,\-]$")
_WORD = re.compile(r"[^\W\d_]{3,}")
_FINISHED = re.compile(r"[.!?…。！？][\"'”’)»]*$")  # noqa: RUF001
_MAX_TITLE_CHARS, _MAX_TITLE_WORDS = 60, 8  # of a line above its text
_MIN_TITLED = 2  # paragraphs with a line above; one may be an accident
_MIN_COLUMNS = 3
_MAX_SECTION = 40  # 3.50 is a price


def parse_text(source: Source) -> Document:
    """Reads plain text."""
    builder = source.builder()
    text = source.text()
    paragraphs = list(_paragraphs(text))
    first = paragraphs[0] if len(paragraphs) > 1 else []
    if _stand_above(paragraphs) and len(first) in (1, 2) and all(map(_is_title, first)):
        builder.add_heading(1, ": ".join(line.strip() for line in first))
        del paragraphs[0]
    _add_paragraphs(builder, text, paragraphs)
    return builder.build()


def add_text(builder: DocumentBuilder, text: str) -> None:
    """Adds a text to a document."""
    _add_paragraphs(builder, text, list(_paragraphs(text)))


def _add_paragraphs(builder: DocumentBuilder, text: str, paragraphs: list[list[str]]) -> None:
    # Who writes all in capitals marks no heading with them.
    has_capitals = sum(map(str.isupper, text)) > sum(map(str.islower, text))
    titles = _Titles(
        capitals_say_nothing=has_capitals,
        stand_above=_stand_above(paragraphs),
    )
    for paragraph, following in pairwise([*paragraphs, []]):
        _add_paragraph(builder, titles, paragraph, following)


@dataclass
class _Titles:
    """What has to be known of a text to tell a heading from a line."""

    capitals_say_nothing: bool
    stand_above: bool = False  # the first lines of paragraphs are headings
    last_number: int = 0  # of the last heading with one

    def find(self, lines: Sequence[str], following: Sequence[str]) -> tuple[int, str, int] | None:
        """The level and words of a heading, and how many lines it takes; None if it is none.

        A line by itself is one only when text follows it that is none.
        """
        line = lines[0].strip()
        if len(line) > MAX_HEADING_CHARS:
            return None
        if hashed := _HASHED.fullmatch(line):
            return len(hashed[1]), hashed[2].rstrip("#= "), 1
        if len(lines) > 1:
            return self._above(line, lines)
        level, number = self._rank(line, self.last_number)
        if not level or not following:
            return None
        if len(following) == 1 and self._rank(following[0].strip(), number)[0] == level:
            return None
        self.last_number = number
        return level, line, 1

    def _above(self, line: str, lines: Sequence[str]) -> tuple[int, str, int] | None:
        """As `find`, of a first line: it is underlined, or short above its text as others are."""
        if (rule := _UNDERLINE.fullmatch(lines[1])) and _WORD.search(line):
            return 1 if rule[1] else 2, line, 2
        return (2, line, 1) if self.stand_above and _is_titled(lines) else None

    def _rank(self, line: str, last_number: int) -> tuple[int, int]:
        """How deep a heading this line would be (0: it cannot be one), and the last number then."""
        if numbered := _NUMBERED.fullmatch(line):
            parts = numbered[1].split(".")
            number = int(parts[0])
            is_next = len(parts) > 1 or number in (1, last_number + 1)
            is_count = not any(part[0] == "0" or int(part) > _MAX_SECTION for part in parts)
            return (len(parts), number) if is_next and is_count else (0, last_number)
        is_title = line.isupper() and not self.capitals_say_nothing and bool(_WORD.search(line))
        is_title = is_title and not _ENDS_LIKE_PROSE.search(line) and not _is_of_digits(line)
        return int(is_title), last_number


def _stand_above(paragraphs: Sequence[list[str]]) -> bool:
    """Says whether headings stand right above their paragraphs."""
    return sum(map(_is_titled, paragraphs)) >= _MIN_TITLED


def _is_titled(lines: Sequence[str]) -> bool:
    """Says whether a paragraph has a heading as its first line: short, above sentences or items."""
    if len(lines) < 2 or not _is_title(lines[0]):
        return False
    rest = [line.strip() for line in lines[1:]]
    if ITEM.match(rest[0]):
        return len(rest) > 1
    is_prose = _FINISHED.search(rest[-1]) is not None and not are_meant(rest)
    return is_prose and begins_own_line(lines[0], lines[1], max(map(len, lines)))


def _is_title(line: str) -> bool:
    line = line.strip()
    is_short = len(line) <= _MAX_TITLE_CHARS and len(line.split()) <= _MAX_TITLE_WORDS
    is_item = ITEM.match(line) is not None and _NUMBERED.fullmatch(line) is None
    return is_short and not (
        is_item or _ENDS_LIKE_PROSE.search(line) or is_field(line) or not _WORD.search(line)
    )


def _paragraphs(text: str) -> Iterator[list[str]]:
    """The lines between empty ones; those that only draw a rule go."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip():
            lines.append(line)
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def _add_paragraph(
    builder: DocumentBuilder, titles: _Titles, lines: list[str], following: list[str]
) -> None:
    while lines and (heading := titles.find(lines, following)):
        level, text, num_lines = heading
        builder.add_heading(level, text)
        lines = lines[num_lines:]
    if rows := _rows(lines):
        builder.add_table(rows)
        return
    lines = [line for line in lines if not _RULE.fullmatch(line)]
    for text in join_lines(lines):
        builder.add_block(text)


def _rows(lines: Sequence[str]) -> list[list[str]]:
    """The cells of a table of several columns; none if the lines are no table."""
    lines = [line for line in lines if not re.fullmatch(r"[-=+|\s]+", line)]
    if len(lines) < 2 or not are_meant(lines):
        return []
    rows = [GAP.split(line.strip()) for line in lines]
    widths = {len(row) for row in rows}
    return rows if len(widths) == 1 and widths.pop() >= _MIN_COLUMNS else []


def _is_of_digits(line: str) -> bool:
    return sum(map(str.isdigit, line)) > sum(map(str.isalpha, line)) / 2
