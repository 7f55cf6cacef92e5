"""From the lines of a PDF to headings and paragraphs, by the size and place of their letters.

A PDF has no paragraphs; these rules are guesses that hold for most. What is larger than the body
text is a heading, the largest the outermost. A gap wider than between other lines, or a new page,
ends a paragraph. What stands first or last on many pages, but for its numbers, is no text.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from statistics import median

from index.parsing.document import MAX_HEADING_CHARS, DocumentBuilder
from index.parsing.formats.parse_text import join_lines

_HEADING_FROM = 1.1  # times the size of body text
_GAP_FROM = 1.3  # times the distance of lines
_RUNNING_FROM_PAGES = 3
_MAX_LEVEL = 6
_HYPHEN = re.compile("[\x02\ufffe\u00ad]\\s*")  # how PDFium writes a hyphen at the end of a line


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of a page: its first letter has this size and stands at this height, in points."""

    text: str
    page: int
    size: float
    height: float


def add_lines(builder: DocumentBuilder, lines: Sequence[Line]) -> None:
    """Adds the lines of a document in reading order."""
    lines = _without_running_titles(lines)
    levels = _levels(lines)
    for paragraph in _paragraphs(lines, levels):
        builder.page = paragraph[0].page
        texts = [line.text for line in paragraph]
        if level := levels.get(paragraph[0].size):
            builder.add_heading(level, " ".join(texts))
            continue
        for text in join_lines(texts):
            builder.add_block(_HYPHEN.sub("", text))


def _levels(lines: Sequence[Line]) -> dict[float, int]:
    """The heading level of each size that is larger than that of most letters."""
    letters: Counter[float] = Counter()
    for line in lines:
        letters[line.size] += len(line.text)
    if not letters:
        return {}
    body = max(letters, key=lambda size: letters[size])
    # More than a tenth of the letters is no heading, but an abstract or a quotation.
    rare = [size for size in letters if letters[size] * 10 < sum(letters.values())]
    larger = sorted((size for size in rare if size >= body * _HEADING_FROM), reverse=True)
    return {size: min(rank, _MAX_LEVEL) for rank, size in enumerate(larger, start=1)}


def _paragraphs(lines: Sequence[Line], levels: dict[float, int]) -> Iterator[list[Line]]:
    if not lines:
        return
    distances = [a.height - b.height for a, b in pairwise(lines) if a.page == b.page]
    usual = median([distance for distance in distances if distance > 1] or [0.0])
    paragraph = [lines[0]]
    for line, following in pairwise(lines):
        is_heading = levels.get(line.size), levels.get(following.size)
        gap = (line.height - following.height) / _GAP_FROM
        # Between two lines of one heading the distance is larger by itself.
        wide = gap > (usual if is_heading == (None, None) else 2 * usual)
        too_long = sum(len(one.text) for one in paragraph) > MAX_HEADING_CHARS and is_heading[0]
        if line.page != following.page or is_heading[0] != is_heading[1] or wide or too_long:
            yield paragraph
            paragraph = []
        paragraph.append(following)
    yield paragraph


def _without_running_titles(lines: Sequence[Line]) -> list[Line]:
    pages = [list(page) for _, page in groupby(lines, key=lambda line: line.page)]
    seen = Counter(key for page in pages for key in {_key(page[0]), _key(page[-1])})
    often = max(_RUNNING_FROM_PAGES, len(pages) / 20)  # a title of a chapter is on few
    running = {key for key, count in seen.items() if count >= often}
    kept = []
    for page in pages:
        first = 1 if _key(page[0]) in running else 0
        last = len(page) - (1 if len(page) > 1 and _key(page[-1]) in running else 0)
        kept += page[first:last]
    return kept


def _key(line: Line) -> str:
    return re.sub(r"\d+|\b[ivxlc]+\b", "", line.text).strip()
