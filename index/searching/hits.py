"""From a ranking to hits: the passages are read where they are stored.

A search index holds no text. What is read may be newer than the ranking: a passage that is gone by
then is no hit, nor is one whose file then has attributes that the filter does not let through, or
an access list that does not let in who asks. The next in the ranking takes its place.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from index.errors import InvalidSearchError
from index.records import FoundPassage
from index.searching.diversity import diversify
from index.searching.filters import matches
from index.searching.ranking import Ranking, Scores
from index.searching.request import Hit, SearchRequest


class PassageReader(Protocol):
    """Where the passages are stored: the catalog."""

    def read_passages(
        self, chunk_ids: Sequence[int], *, neighbours: int = 0, with_vectors: bool = False
    ) -> dict[int, FoundPassage]:
        """Passages by chunk id, without those that are gone."""
        ...


def read_hits(reader: PassageReader, ranking: Ranking, request: SearchRequest) -> tuple[Hit, ...]:
    """The hits of a ranking.

    Returns:
        At most `top_k`, best first, or in the order of diversity.

    Raises:
        InvalidSearchError: the stores are of several embedders, and diversity is asked for.
    """
    is_diverse = request.diversity > 0 or request.max_similarity < 1
    if is_diverse:
        found = _read(reader, list(ranking.fused), request, with_vectors=True)
        scores = _diverse(ranking.fused, found, request)
    else:
        found = _best(reader, list(ranking.fused), request)
        scores = {chunk_id: ranking.fused[chunk_id] for chunk_id in found}
    dense_ranks, lexical_ranks = _places(ranking.dense), _places(ranking.lexical)
    return tuple(
        Hit(
            **vars(found[chunk_id].passage),
            attributes=found[chunk_id].attributes,
            score=score,
            dense_score=ranking.dense.get(chunk_id),
            lexical_score=ranking.lexical.get(chunk_id),
            context=found[chunk_id].context,
            around=found[chunk_id].around,
            dense_rank=dense_ranks.get(chunk_id),
            lexical_rank=lexical_ranks.get(chunk_id),
        )
        for chunk_id, score in scores.items()
    )


def _places(scores: Scores) -> dict[int, int]:
    """The place of each passage in one search, from 1."""
    return {chunk_id: place for place, chunk_id in enumerate(scores, start=1)}


def _best(
    reader: PassageReader, ranked: list[int], request: SearchRequest
) -> dict[int, FoundPassage]:
    """The first `top_k` that are still there, in their order."""
    found = _read(reader, ranked[: request.top_k], request)
    if len(found) < request.top_k < len(ranked):
        found |= _read(reader, ranked[request.top_k :], request)
    return dict(list(found.items())[: request.top_k])


def _read(
    reader: PassageReader, ranked: list[int], request: SearchRequest, with_vectors: bool = False
) -> dict[int, FoundPassage]:
    stored = reader.read_passages(ranked, neighbours=request.neighbours, with_vectors=with_vectors)
    return {
        chunk_id: stored[chunk_id]
        for chunk_id in ranked
        if chunk_id in stored
        and request.viewer.admits(stored[chunk_id].access)
        and (request.filters is None or matches(request.filters, stored[chunk_id].attributes))
    }


def _diverse(fused: Scores, found: dict[int, FoundPassage], request: SearchRequest) -> Scores:
    rows = [one.vector for one in found.values() if one.vector is not None]
    if len({len(row) for row in rows}) > 1:
        raise InvalidSearchError("stores of several embedders cannot be diversified together")
    return diversify(
        {chunk_id: fused[chunk_id] for chunk_id in found},
        np.stack(rows) if rows else np.empty((0, 0), np.float32),
        limit=request.top_k,
        diversity=request.diversity,
        max_similarity=request.max_similarity,
    )
