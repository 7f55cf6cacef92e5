"""From the lines of a PDF to headings, paragraphs and tables, by the size and place of letters.

A PDF has no paragraphs; these rules are guesses that hold for most. What is larger than the body
text is a heading, the largest the outermost. A gap wider than between other lines ends a paragraph,
a new page does unless the sentence goes on.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median

from index.parsing.document import MAX_HEADING_CHARS, DocumentBuilder
from index.parsing.pdf.glyphs import HYPHEN
from index.parsing.pdf.joining import Joiner
from index.parsing.pdf.running import without_running_titles
from index.parsing.pdf.segment import Line

_HEADING_FROM = 1.1  # times the size of body text
_GAP_FROM = 1.3  # times the distance of lines
_INDENT = 0.8, 3.0  # of a first line, in sizes of its letters
_MAX_LEVEL = 6
_SENTENCE_ENDS = (".", "!", "?", ":", ";", "”", '"', "。", "！", "？")  # noqa: RUF001


def add_lines(builder: DocumentBuilder, lines: Sequence[Line]) -> None:
    """Adds the lines of a document in reading order."""
    lines = without_running_titles(lines)
    levels = _levels([line for line in lines if not line.cells])
    joiner = Joiner(lines)
    for is_table, group in groupby(lines, key=lambda line: bool(line.cells)):
        if is_table:
            _add_table(builder, joiner, list(group))
            continue
        for paragraph in _paragraphs(list(group), levels):
            _add_paragraph(builder, joiner, paragraph, levels.get(paragraph[0].size))


def _add_paragraph(
    builder: DocumentBuilder, joiner: Joiner, lines: list[Line], level: int | None
) -> None:
    builder.page = lines[0].page
    if level and not lines[0].stands_alone:
        builder.add_heading(level, joiner.joined([line.text for line in lines]))
        return
    for text in joiner.paragraphs(lines):
        builder.add_block(text)


def _add_table(builder: DocumentBuilder, joiner: Joiner, lines: list[Line]) -> None:
    """Adds rows that stand together; a header that is repeated on the next page is left out."""
    for _, group in groupby(lines, key=lambda line: len(line.cells)):
        first, *others = group
        rows = [first, *(row for row in others if row.cells != first.cells)]
        cells = [[joiner.joined([cell]) for cell in row.cells] for row in rows]
        builder.add_table(cells, pages=[row.page for row in rows])


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
    length = len(lines[0].text)
    for line, following in pairwise(lines):
        level = levels.get(line.size)
        too_long = level and length + len(following.text) > MAX_HEADING_CHARS
        other = level != levels.get(following.size)
        if too_long or other or _ends(line, following, usual, is_heading=level is not None):
            yield paragraph
            paragraph, length = [], 0
        paragraph.append(following)
        length += len(following.text)
    yield paragraph


def _ends(line: Line, following: Line, usual: float, *, is_heading: bool) -> bool:
    """Whether a paragraph ends between two lines of one kind."""
    sizes = sorted((line.size, following.size))
    if line.stands_alone or following.stands_alone or sizes[1] > _HEADING_FROM * sizes[0]:
        return True
    if line.page != following.page:
        return is_heading or not _goes_on(line, following)
    # Between two lines of one heading the distance is larger by itself.
    gap = (line.height - following.height) / _GAP_FROM
    indent = (following.left - line.left) / max(line.size, 1)
    indented = _INDENT[0] < indent < _INDENT[1] and line.text.endswith(_SENTENCE_ENDS)
    return gap > (2 * usual if is_heading else usual) or (indented and gap > 0)


def _goes_on(line: Line, following: Line) -> bool:
    """Whether the sentence of a page seems to go on on the next."""
    if line.text.endswith(HYPHEN):
        return True
    return following.text[0].islower() and not line.text.endswith(_SENTENCE_ENDS)
