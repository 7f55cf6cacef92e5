"""From a document to passages: whole sentences under one heading, up to a number of tokens."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise

from index.document import Block, Document
from index.records import ChunkDraft, Chunking

TokenSpans = Callable[[str], list[tuple[int, int]]]

# A sentence ends with its mark and what closes it, before white space and the start of another.
# Marks of scripts that write no space (CJK) end one as well. The first line lists what ends none:
# initials, abbreviations, and the number of a list item.
SENTENCE_END = re.compile(
    r"(?<!\b[A-Za-z])(?<!\be\.g)(?<!\bi\.e)(?<!\bvs)(?<!\betc)(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\A\d)(?<!\A\d\d)"
    r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[^\Wa-z_])|[。！？]"  # noqa: RUF001 - full-width marks are meant
)


@dataclass(frozen=True)
class _Sentence:
    """A piece of the document's plain text that is not cut again."""

    start: int
    end: int
    num_tokens: int


def chunk(
    document: Document, chunking: Chunking, token_spans: TokenSpans
) -> tuple[ChunkDraft, ...]:
    """Cuts a document into passages.

    A passage lies under one heading path and holds whole sentences; only a sentence that is longer
    than a passage is cut, at white space where it has any. Consecutive passages under one heading
    share as many whole sentences as `chunk_overlap_tokens` allows.

    Args:
        document: what parse() returned.
        chunking: sizes in tokens.
        token_spans: the embedder's tokenizer, without special tokens: (start, end) of each token
            in a text.

    Returns:
        The passages in the order of the document; each `text` equals
        `document.text[char_start:char_end]` but for white space.
    """
    text = document.text
    drafts: list[ChunkDraft] = []
    for path, blocks in groupby(document.blocks, key=lambda block: block.heading_path):
        sentences = [
            sentence
            for block in blocks
            for sentence in _sentences(block, chunking.max_chunk_tokens, token_spans)
        ]
        for start, end in _pack(sentences, chunking):
            drafts.append(
                ChunkDraft(
                    text=" ".join(text[start:end].split()),
                    title=" > ".join(path) or document.title,
                    char_start=start,
                    char_end=end,
                    ordinal=len(drafts),
                )
            )
    return tuple(drafts)


def split_sentences(text: str) -> list[str]:
    """Splits a text where its sentences end."""
    ends = [match.end() for match in SENTENCE_END.finditer(text)]
    pieces = [text[start:end].strip() for start, end in pairwise([0, *ends, len(text)])]
    return [piece for piece in pieces if piece]


def _pack(sentences: list[_Sentence], chunking: Chunking) -> Iterator[tuple[int, int]]:
    """Spans of passages: as many sentences as fit, then again from the overlap on."""
    passage: list[_Sentence] = []
    for sentence in sentences:
        room = chunking.max_chunk_tokens - sentence.num_tokens
        if passage and _num_tokens(passage) > room:
            yield passage[0].start, passage[-1].end
            passage = _tail(passage, min(chunking.chunk_overlap_tokens, room))
        passage.append(sentence)
    if passage:
        yield passage[0].start, passage[-1].end


def _tail(passage: list[_Sentence], max_tokens: int) -> list[_Sentence]:
    """The last sentences of a passage that together have at most `max_tokens`."""
    first = len(passage)
    while first > 0 and _num_tokens(passage[first - 1 :]) <= max_tokens:
        first -= 1
    return passage[first:]


def _num_tokens(sentences: list[_Sentence]) -> int:
    return sum(sentence.num_tokens for sentence in sentences)


def _sentences(block: Block, max_tokens: int, token_spans: TokenSpans) -> Iterator[_Sentence]:
    """The sentences of a block, those that are too long in pieces."""
    tokens = [span for span in token_spans(block.text) if span[0] < span[1]]
    starts = [start for start, _ in tokens]
    ends = [match.end() for match in SENTENCE_END.finditer(block.text)]
    first = 0
    for end in [*ends, len(block.text)]:
        last = bisect_left(starts, end)
        while first < last:
            stop = min(first + max_tokens, last)
            if stop < last:
                stop = _cut(block.text, tokens, first, stop)
            start, finish = tokens[first][0], tokens[stop - 1][1]
            yield _Sentence(block.char_start + start, block.char_start + finish, stop - first)
            first = stop


def _cut(text: str, tokens: list[tuple[int, int]], first: int, stop: int) -> int:
    """The last token before `stop` that follows white space; `stop` itself when there is none."""
    for index in range(stop, first, -1):
        if text[tokens[index][0] - 1].isspace():
            return index
    return stop
