"""From a document to passages under one heading, up to a number of tokens.

A passage holds whole sentences of prose, whole rows of tables and whole definitions of code.
"""

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from index.errors import InvalidFileError
from index.parsing.document import BLOCK_SEPARATOR, Block, BlockKind, Document
from index.parsing.parse_limits import ParseLimits
from index.records import ChunkDraft, Chunking

TokenSpans = Callable[[str], list[tuple[int, int]]]

# A sentence ends with its mark and what closes it, before white space and the start of another.
# Marks of scripts that write no space (CJK) end one as well. The first line lists what ends none:
# initials, abbreviations, and the number of a list item.
SENTENCE_END = re.compile(
    r"(?<!\b[A-Za-z])(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\betc)(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\A\d)(?<!\A\d\d)"
    r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[^\Wa-z_])|[。！？]"  # noqa: RUF001 - full-width marks are meant
)


# Where code may be cut, best first: before what stands at the start of a line after an empty one,
# at an empty line, at the end of a line.
CODE_ENDS = (re.compile(r"\n\n(?=\S)"), re.compile(r"\n\n"), re.compile(r"\n"))
# Prose is cut at sentences; a row only where it is too long, as anything is, at white space.
ENDS: dict[BlockKind, tuple[re.Pattern[str], ...]] = {
    "prose": (SENTENCE_END,),
    "row": (),
    "code": CODE_ENDS,
}
# Tokenized at once: a token takes about 100 bytes while it is looked at.
_MAX_WINDOW_CHARS = 200_000


@dataclass(frozen=True, kw_only=True)
class Cutting:
    """How documents are read and cut; `chunking` is for stores that say nothing of it."""

    chunking: Chunking
    limits: ParseLimits


@dataclass(frozen=True, slots=True)
class _Piece:
    """A span of the document's plain text that is not cut again."""

    start: int
    end: int
    num_tokens: int
    block: Block


def chunk(
    document: Document, chunking: Chunking, token_spans: TokenSpans
) -> tuple[ChunkDraft, ...]:
    """Cuts a document into passages.

    A passage lies under one heading path; only a sentence, row or line that is longer than a
    passage is cut, at white space where it has any. Consecutive passages under one heading share as
    many whole pieces as `chunk_overlap_tokens` allows. The title of a passage that starts within a
    table ends with the table's header.

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
    for path, blocks in groupby(document.blocks, key=lambda block: block.heading_path):
        pieces = (
            piece
            for block in blocks
            for piece in _pieces(block, chunking.max_chunk_tokens, token_spans)
        )
        for first, last in _pack(pieces, chunking):
            columns = (first.block.columns,) if first.block.columns else ()
            drafts.append(
                ChunkDraft(
                    text=text[first.start : last.end],
                    title=" > ".join((*(path or (document.title,)), *columns)),
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


def split_sentences(text: str) -> list[str]:
    """Splits a passage where its sentences end; each list item and table row is one by itself.

    Code, which alone has line breaks, is split at its empty lines only.
    """
    return [
        sentence.strip()
        for block in text.split(BLOCK_SEPARATOR)
        for sentence in ([block] if "\n" in block.strip() else _split_prose(block))
        if sentence.strip()
    ]


def _split_prose(text: str) -> list[str]:
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)])]


def _pack(pieces: Iterable[_Piece], chunking: Chunking) -> Iterator[tuple[_Piece, _Piece]]:
    """The first and last piece of each passage: as many as fit, then again from the overlap on."""
    passage: deque[_Piece] = deque()
    num_tokens = 0
    for piece in pieces:
        room = chunking.max_chunk_tokens - piece.num_tokens
        if passage and num_tokens > room:
            yield passage[0], passage[-1]
            shared = min(chunking.chunk_overlap_tokens, room)
            while passage and num_tokens > shared:
                num_tokens -= passage.popleft().num_tokens
        passage.append(piece)
        num_tokens += piece.num_tokens
    if passage:
        yield passage[0], passage[-1]


def _pieces(block: Block, max_tokens: int, token_spans: TokenSpans) -> Iterator[_Piece]:
    """The sentences, rows or definitions of a block, those that are too long in parts."""
    for start, end in _windows(block.text):
        window = block.text[start:end]
        tokens = [span for span in token_spans(window) if span[0] < span[1]]
        cutter = _Cutter(window, tokens, max_tokens)
        for first, stop in cutter.cut(0, len(tokens), ENDS[block.kind]):
            begin = tokens[first][0]
            if block.kind == "code":
                begin = _with_indentation(window, begin)
            offset = block.char_start + start
            yield _Piece(offset + begin, offset + tokens[stop - 1][1], stop - first, block)


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
    """Cuts the tokens of a text where patterns say; deeper patterns only for what is too long."""

    text: str
    tokens: list[tuple[int, int]]
    max_tokens: int

    def cut(
        self, first: int, last: int, patterns: tuple[re.Pattern[str], ...]
    ) -> Iterator[tuple[int, int]]:
        """Spans of tokens that together are first..last."""
        if not patterns:
            yield from self._cut_anywhere(first, last)
            return
        for start, stop in self._spans(first, last, patterns[0]):
            if stop - start <= self.max_tokens:
                yield start, stop
            else:
                yield from self.cut(start, stop, patterns[1:])

    def _spans(self, first: int, last: int, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
        if first == last:
            return
        end_of_all = self.tokens[last - 1][1]
        ends = [
            match.end() for match in pattern.finditer(self.text, self.tokens[first][0], end_of_all)
        ]
        for end in [*ends, end_of_all]:
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
