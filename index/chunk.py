"""From a document to passages under one heading, up to a number of tokens.

A passage holds whole sentences of prose, whole rows of tables and whole definitions of code.
"""

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

from index.errors import InvalidFileError
from index.parsing.document import Block, BlockKind, Document
from index.parsing.parse_limits import ParseLimits
from index.records import ChunkDraft, Chunking
from index.rows import TITLE_SEPARATOR
from index.sentences import is_item, lead_in_of, sentence_ends
from index.wide_rows import WideRow, cell_ends, columns_for, merged

TokenSpans = Callable[[str], list[tuple[int, int]]]
# Of a text from a place to another: where parts of it end.
Ends = Callable[[str, int, int], Iterable[int]]


def _matches_of(pattern: re.Pattern[str]) -> Ends:
    return lambda text, start, end: (match.end() for match in pattern.finditer(text, start, end))


# Where code may be cut, best first: before what stands at the start of a line after an empty one,
# at an empty line, at the end of a line.
CODE_ENDS = (re.compile(r"\n\n(?=\S)"), re.compile(r"\n\n"), re.compile(r"\n"))
# Prose is cut at sentences; a row only where it is too long, as anything is, at white space.
ENDS: dict[BlockKind, tuple[Ends, ...]] = {
    "prose": (sentence_ends,),
    "row": (),
    "code": tuple(_matches_of(pattern) for pattern in CODE_ENDS),
}
# Tokenized at once: a token takes about 100 bytes while it is looked at.
_MAX_WINDOW_CHARS = 200_000
_MAX_COLUMNS_CHARS = 400  # of a longer header, a title has what its passage needs


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """How documents are read and cut; `chunking` is for stores that say nothing of it."""

    chunking: Chunking
    limits: ParseLimits


@dataclass(frozen=True, slots=True)
class _Piece:
    """A span of the document's plain text that is not cut again.

    `lead_in` introduces the list that it is an item of; `leads` says that it introduces the next;
    `key` is that of the row that it is a later part of.
    """

    start: int
    end: int
    num_tokens: int
    block: Block
    lead_in: str = ""
    leads: bool = False
    key: str = ""


def chunk(
    document: Document, chunking: Chunking, token_spans: TokenSpans
) -> tuple[ChunkDraft, ...]:
    """Cuts a document into passages.

    A passage lies under one heading path; only a sentence, row or line that is longer than a
    passage is cut, at white space where it has any, a row between its cells. Consecutive passages
    under one heading share as many whole pieces as `chunk_overlap_tokens` allows. The title of a
    passage with rows of a table ends with the table's columns (there is one table at most), that of
    one which starts within a list with what leads the list in. A later part of a row has the key of
    its row before its own columns.

    Args:
        document: what parse() returned.
        chunking: sizes in tokens.
        token_spans: the embedder's tokenizer, without special tokens: (start, end) of each token
            in a text.

    Returns:
        The passages in the order of the document; each `text` is
        `document.text[char_start:char_end]`, and `page` the page on which it starts.
    """
    text = document.text
    drafts: list[ChunkDraft] = []
    pieces = chain.from_iterable(
        _pieces(block, chunking.max_chunk_tokens, token_spans) for block in document.blocks
    )
    for _, section in groupby(pieces, key=_Sections().number_of):
        for passage in _pack(_with_lead_ins(section), chunking):
            first, last = passage[0], passage[-1]
            parts = (*(first.block.heading_path or (document.title,)), *_within(passage))
            drafts.append(
                ChunkDraft(
                    text=text[first.start : last.end],
                    title=TITLE_SEPARATOR.join(parts),
                    char_start=first.start,
                    char_end=last.end,
                    ordinal=len(drafts),
                    page=first.block.page,
                )
            )
    return tuple(drafts)


def cut_file(
    filename: str, document: Document, chunking: Chunking, token_spans: TokenSpans
) -> tuple[ChunkDraft, ...]:
    """Cuts what was read from a file, of which at least one passage must come.

    Raises:
        InvalidFileError: it holds no text.
    """
    drafts = chunk(document, chunking, token_spans)
    if not drafts:
        raise InvalidFileError(f"{filename} holds no text")
    return drafts


@dataclass
class _Sections:
    """Numbers what may share a passage: pieces under one heading path, of one table at most."""

    number: int = 0
    path: tuple[str, ...] = ()
    key: str = ""
    columns: str = ""

    def number_of(self, piece: _Piece) -> int:
        """The same number as for the piece before, or the next one."""
        path, columns = piece.block.heading_path, piece.block.columns
        is_other_table = columns and self.columns and columns != self.columns
        if (path, piece.key) != (self.path, self.key) or is_other_table:
            self.number += 1
            self.columns = ""
        self.path, self.key = path, piece.key
        self.columns = columns or self.columns
        return self.number


def _within(passage: Sequence[_Piece]) -> tuple[str, ...]:
    """The last part of a title: the columns of rows in the passage, or what leads a list in."""
    rows = [piece.block for piece in passage if piece.block.columns]
    within = rows[0].columns if rows else passage[0].lead_in
    if len(within) > _MAX_COLUMNS_CHARS:
        within = columns_for(within, (row.text for row in rows)) if rows else within
    return tuple(filter(None, (passage[0].key, within)))


def _pack(pieces: Iterable[_Piece], chunking: Chunking) -> Iterator[list[_Piece]]:
    """The pieces of each passage: as many as fit, then again from the overlap on."""
    passage: deque[_Piece] = deque()
    num_tokens = 0
    for piece in pieces:
        room = chunking.max_chunk_tokens - piece.num_tokens
        if passage and num_tokens > room:
            last = passage[-1]
            goes_on = last.leads and len(passage) > 1 and last.num_tokens <= room
            yield list(passage)[: -1 if goes_on else None]
            shared = min(chunking.chunk_overlap_tokens, room)
            shared = max(shared, last.num_tokens) if goes_on else shared
            while passage and num_tokens > shared:
                num_tokens -= passage.popleft().num_tokens
        passage.append(piece)
        num_tokens += piece.num_tokens
    if passage:
        yield list(passage)


def _with_lead_ins(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """The pieces under one heading: items know what leads their list in, and that, its list."""
    lead_in, held = "", None
    for piece in pieces:
        in_list = piece.block.kind == "prose" and is_item(piece.block.text)
        if held is None or held.block is not piece.block:
            if held is not None and in_list and lead_in and not held.lead_in:
                held = replace(held, leads=True)
            lead_in = lead_in if in_list else lead_in_of(piece.block.text)
        if held is not None:
            yield held
        held = replace(piece, lead_in=lead_in) if in_list else piece
    if held is not None:
        yield held


def _pieces(block: Block, max_tokens: int, token_spans: TokenSpans) -> Iterator[_Piece]:
    """The sentences, rows or definitions of a block, those that are too long in parts."""
    row = WideRow(block) if block.kind == "row" and len(block.text) > max_tokens else None
    for start, end in _windows(block.text):
        window = block.text[start:end]
        tokens = [span for span in token_spans(window) if span[0] < span[1]]
        cutter = _Cutter(window, tokens, max_tokens)
        if row is not None and (len(tokens) > max_tokens or end < len(block.text)):
            yield from _row_pieces(block, row, start, cutter)
            continue
        for first, stop in cutter.cut(0, len(tokens), ENDS[block.kind]):
            begin = tokens[first][0]
            if block.kind == "code":
                begin = _with_indentation(window, begin)
            offset = block.char_start + start
            yield _Piece(offset + begin, offset + tokens[stop - 1][1], stop - first, block)


def _row_pieces(block: Block, row: WideRow, start: int, cutter: "_Cutter") -> Iterator[_Piece]:
    """The parts of a row that is too long: as many whole cells as fit."""
    spans = cutter.cut(0, len(cutter.tokens), (cell_ends, sentence_ends))
    for first, stop in merged(spans, cutter.max_tokens):
        ends = start + cutter.tokens[first][0], start + cutter.tokens[stop - 1][1]
        begin, end = row.trimmed(*ends)
        if begin < end:
            part = replace(block, columns=row.columns(begin, end))
            offset = block.char_start
            yield _Piece(offset + begin, offset + end, stop - first, part, key=row.key(begin))


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Spans that are tokenized one by one; cut at white space where there is any."""
    start = 0
    while len(text) - start > _MAX_WINDOW_CHARS:
        end = max(text.rfind(mark, start, start + _MAX_WINDOW_CHARS) for mark in "\n ") + 1
        end = end if end > start else start + _MAX_WINDOW_CHARS
        yield start, end
        start = end
    yield start, len(text)


@dataclass(frozen=True)
class _Cutter:
    """Cuts the tokens of a text where parts end; deeper ends count only for what is too long."""

    text: str
    tokens: list[tuple[int, int]]
    max_tokens: int

    def cut(self, first: int, last: int, ends: tuple[Ends, ...]) -> Iterator[tuple[int, int]]:
        """Spans of tokens that together are first..last."""
        if not ends:
            yield from self._cut_anywhere(first, last)
            return
        for start, stop in self._spans(first, last, ends[0]):
            if stop - start <= self.max_tokens:
                yield start, stop
            else:
                yield from self.cut(start, stop, ends[1:])

    def _spans(self, first: int, last: int, ends_of: Ends) -> Iterator[tuple[int, int]]:
        if first == last:
            return
        end_of_all = self.tokens[last - 1][1]
        for end in chain(ends_of(self.text, self.tokens[first][0], end_of_all), [end_of_all]):
            stop = bisect_left(self.tokens, end, first, last, key=lambda span: span[0])
            if stop > first:
                yield first, stop
                first = stop

    def _cut_anywhere(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        while last - first > self.max_tokens:
            stop = self._after_white_space(first, first + self.max_tokens)
            yield first, stop
            first = stop
        if first < last:
            yield first, last

    def _after_white_space(self, first: int, stop: int) -> int:
        """The last token up to `stop` that follows white space; `stop` itself if there is none."""
        for index in range(stop, first, -1):
            if self.text[self.tokens[index][0] - 1].isspace():
                return index
        return stop


def _with_indentation(text: str, start: int) -> int:
    """The start of the line if only white space lies between."""
    line = text.rfind("\n", 0, start) + 1
    return line if not text[line:start].strip() else start
