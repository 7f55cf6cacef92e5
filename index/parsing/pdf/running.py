"""Running titles and page numbers: what stands at the top or bottom of many pages.

Their numbers are the same on all pages, or count up with the page. A line of content does that too
(invoice 1001, 1002, 1003 on a page each; room 1, 2, 3): numbers that count up are taken for those
of pages only where the line has no other words, a word for page, or smaller letters than the text.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise, product
from statistics import median

from index.parsing.pdf.segment import Line

_FROM_PAGES = 3
_DEPTH = 3  # lines from the edge of a page
_GAP_FROM = 1.5  # times the distance of lines
_MAX_NUMBERS = 4  # in one line, and letters of one
_MAX_OFFSET = 30  # of a printed number from that of the page, where only letters tell
_NUMBER = re.compile(r"\d+|\b[ivxl]{1,7}\b")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50}
_PAGE_WORD = re.compile(
    r"\b(?:page|pages|pg|p|seite|s|página|pagina|pág|pag|blatt|side|sida|strana|strona|str|стр|"
    r"страница|sayfa|halaman|trang)\b|第|页|頁|ページ|쪽",
    re.IGNORECASE,
)
_PAGE_ALONE = re.compile(r"(\D*?)(\d+)(?:\s*(?:of|/|von|de|sur|di|av|z|из|の)\s*(\d+))?\W*")


@dataclass(frozen=True, slots=True)
class _Edge:
    """A line near the edge of a page."""

    line: Line
    at_top: bool


def without_running_titles(lines: Sequence[Line]) -> list[Line]:
    """The lines without those that run through the pages, but each title once."""
    pages = [list(page) for _, page in groupby(lines, key=lambda line: line.page)]
    body = _body_size(lines)
    seen: Counter[tuple[object, ...]] = Counter()
    for page in pages:
        seen.update({key for edge in _edges(page, body) for key in _keys(edge, body)})
    often = max(_FROM_PAGES, len(pages) / 20)  # a title of a chapter is on few
    running = {key for key, count in seen.items() if count >= often}
    kept: list[Line] = []
    titles: set[str] = set()
    last = lines[-1].page if lines else 0
    for page in pages:
        gone = {id(one) for one in _running_lines(page, running, body, last)}
        for line in page:
            title = _NUMBER.sub("", line.text).strip()
            if id(line) not in gone:
                kept.append(line)
            elif not _is_number(line.text) and title not in titles:
                titles.add(title)
                kept.append(replace(line, stands_alone=True))
    return kept


def _edges(page: Sequence[Line], body: float) -> Iterator[_Edge]:
    """The outermost line, and those after it that are small or stand apart from the text."""
    distances = [abs(a.height - b.height) for a, b in pairwise(page)]
    wide = _GAP_FROM * median(distances or [0.0])
    for at_top, lines, gaps in ((True, page, distances), (False, page[::-1], distances[::-1])):
        apart = next((n for n, gap in enumerate(gaps[:_DEPTH], start=1) if gap > wide), 1)
        for depth, line in enumerate(lines[:_DEPTH]):
            if depth >= apart and line.size >= body:
                break
            yield _Edge(line, at_top=at_top)


def _running_lines(
    page: Sequence[Line], running: set[tuple[object, ...]], body: float, last: int
) -> list[Line]:
    """The lines from each edge of a page up to the first that does not run."""
    found = []
    for _, edges in groupby(_edges(page, body), key=lambda edge: edge.at_top):
        for edge in edges:
            runs = any(key in running for key in _keys(edge, body))
            if not runs and not _is_page_of(edge.line, last):
                break
            found.append(edge.line)
    return found if len(found) < len(page) else found[1:]


def _keys(edge: _Edge, body: float) -> Iterator[tuple[object, ...]]:
    """What lines of several pages have in common if they run through these."""
    line = edge.line
    template = _NUMBER.sub("#", line.text)
    values = [_value(found) for found in _NUMBER.findall(line.text)]
    if len(values) > _MAX_NUMBERS or any(len(found) > 9 for found in re.findall(r"\d+", line.text)):
        yield edge.at_top, line.text
        return
    tells = _is_number(line.text) or bool(_PAGE_WORD.search(line.text))
    for kinds in product((False, True), repeat=len(values)):
        offsets = [value - line.page for value, counts in zip(values, kinds, strict=True) if counts]
        small = line.size < body and all(abs(offset) <= _MAX_OFFSET for offset in offsets)
        if sum(kinds) <= 1 and (not offsets or tells or small):
            numbers = (v - line.page if c else v for v, c in zip(values, kinds, strict=True))
            yield edge.at_top, template, kinds, *numbers


def _is_page_of(line: Line, last: int) -> bool:
    """Whether a line says `Page 2 of 3` and nothing else, and is right."""
    found = _PAGE_ALONE.fullmatch(line.text) if len(line.text) < 30 else None
    if not found or found[2] != str(line.page) or last < 2:
        return False
    has_word = bool(_PAGE_WORD.fullmatch(found[1].strip(" .:-–—|")))  # noqa: RUF001
    return has_word and found[3] in (None, str(last))


def _is_number(text: str) -> bool:
    """Whether a line has nothing but a number, perhaps with a word for page and a total."""
    rest = _PAGE_WORD.sub("", _NUMBER.sub("", text))
    return not re.sub(r"\b(?:of|von|de|sur|di)\b|[\W_]", "", rest)


def _value(text: str) -> int:
    if text.isdigit():
        return int(text[:9])
    digits = [_ROMAN[letter] for letter in text]
    pairs = zip(digits, [*digits[1:], 0], strict=True)
    return sum(-digit if digit < following else digit for digit, following in pairs)


def _body_size(lines: Sequence[Line]) -> float:
    letters: defaultdict[float, int] = defaultdict(int)
    for line in lines:
        letters[line.size] += len(line.text)
    return max(letters, key=lambda size: letters[size], default=0.0)
