"""Documents that come with the question, searched in the place of the vector stores.

They are cut to pieces of the length of passages, since rerankers and small generators read no more,
and ranked by meaning; all that follows is as with passages of a store.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from graphs.pipeline.events import GivenDocument
from graphs.pipeline.expansion import Query
from graphs.pipeline.stages import EmbedStage
from index.records import StoredPassage, titled_text
from index.searching.request import Hit
from index.sentences import sentence_ends

_PIECE_CHARS = 240  # one or two sentences, as the passages of a store
_TITLE_CHARS = 240  # each piece has it
_MANY_PIECES = 2000  # of one document; then short blocks are joined


async def ranked(
    documents: Sequence[GivenDocument],
    queries: Sequence[Query],
    embedder: EmbedStage,
    *,
    limit: int,
    reach: int,
) -> tuple[Hit, ...]:
    """Gives the pieces of documents that are nearest to any of the queries, best first.

    Args:
        documents: at least one.
        queries: what is looked for.
        embedder: that of the queries.
        limit: most pieces.
        reach: pieces before and after each, of the same document, that `around` holds.

    Raises:
        StageUnavailableError: the embedder does not answer.
    """
    flat = await asyncio.to_thread(_numbered, documents)
    if not flat:
        return ()
    texts = [titled_text(passage) for passage, _ in flat]
    vectors = (await embedder.embed(texts, kind="document")).vectors
    scores = np.max(vectors @ np.stack([query.vector for query in queries]).T, axis=1)
    best = np.argsort(-scores, kind="stable")[:limit]
    return tuple(_hit(flat, int(place), float(scores[place]), reach) for place in best)


def _pieces(document: GivenDocument) -> list[StoredPassage]:
    return [
        StoredPassage(
            chunk_id=0,
            store_id="",
            file_id=document.id,
            filename=document.title or document.id,
            title=document.title[:_TITLE_CHARS],
            text=document.text[start:end].strip(),
            char_start=start,
            char_end=end,
        )
        for start, end in _few(tuple(_spans(document.text)))
        if document.text[start:end].strip()
    ]


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the pieces of a text stand: whole sentences of one block, few enough to be short."""
    start = 0
    for block in text.split("\n\n"):
        end = start + len(block)
        begin = last = start
        for stop in (*sentence_ends(text, start, end), end):
            if stop - begin > _PIECE_CHARS and last > begin:
                yield begin, last
                begin = last
            last = stop
        yield begin, end
        start = end + 2


def _few(spans: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Joins short spans that follow each other, where there are very many."""
    if len(spans) <= _MANY_PIECES:
        return spans
    joined = [spans[0]]
    for start, end in spans[1:]:
        first = joined[-1][0]
        if end - first <= _PIECE_CHARS:
            joined[-1] = (first, end)
        else:
            joined.append((start, end))
    return joined


def _numbered(documents: Sequence[GivenDocument]) -> list[tuple[StoredPassage, int]]:
    """Gives all pieces in a row, each with the number of its document."""
    pieces = map(_pieces, documents)
    return [(one, number) for number, group in enumerate(pieces) for one in group]


def _hit(flat: Sequence[tuple[StoredPassage, int]], place: int, score: float, reach: int) -> Hit:
    passage, document = flat[place]
    near = range(max(0, place - reach), min(len(flat), place + reach + 1))
    around = tuple(_with_id(flat[one][0], one) for one in near if flat[one][1] == document)
    return Hit(
        chunk_id=place + 1,
        store_id="",
        file_id=passage.file_id,
        filename=passage.filename,
        title=passage.title,
        text=passage.text,
        char_start=passage.char_start,
        char_end=passage.char_end,
        page=None,
        attributes={},
        score=score,
        dense_score=score,
        lexical_score=None,
        around=around if reach else (),
    )


def _with_id(passage: StoredPassage, place: int) -> StoredPassage:
    """Names a passage as its hit is named."""
    return StoredPassage(**{**vars(passage), "chunk_id": place + 1})
