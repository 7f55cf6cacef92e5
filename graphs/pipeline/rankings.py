"""Joins the rankings of several searches for one request."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

from graphs.pipeline.relevance import ScoredHit
from index.searching.fusion import fuse
from index.searching.request import Hit


def best(rankings: Sequence[list[ScoredHit]]) -> list[ScoredHit]:
    """Joins the rankings of several queries by the best score of each passage."""
    if len(rankings) == 1:
        return rankings[0]
    every = [one for ranking in rankings for one in ranking]
    if not all(one.is_reranked for one in every):  # one scale for all: that of the search
        every = [replace(one, score=one.hit.score, is_reranked=False) for one in every]
    kept: dict[int, ScoredHit] = {}
    for one in sorted(every, key=lambda one: -one.score):
        kept.setdefault(one.hit.chunk_id, one)
    return list(kept.values())


def in_turn(rankings: Sequence[list[ScoredHit]]) -> list[ScoredHit]:
    """Joins the rankings of a question's parts: the best of each, then the second of each, ..."""
    if len(rankings) == 1:
        return rankings[0]
    turns = zip_longest(*rankings)
    kept: dict[tuple[int, str], ScoredHit] = {}
    for one in (one for turn in turns for one in turn if one is not None):
        kept.setdefault((one.hit.chunk_id, one.excerpt), one)
    return list(kept.values())


def union(first: Sequence[Hit], second: Sequence[Hit]) -> tuple[Hit, ...]:
    """Joins two rankings, each hit once."""
    return tuple({hit.chunk_id: hit for hit in (*first, *second)}.values())


def merged(found: Sequence[tuple[Hit, ...]], limit: int) -> tuple[Hit, ...]:
    """Fuses the rankings of several searches by rank; one ranking stays as it is."""
    if len(found) == 1:
        return found[0]
    hits = {hit.chunk_id: hit for ranking in reversed(found) for hit in ranking}
    scores = fuse([[hit.chunk_id for hit in ranking] for ranking in found], [1.0] * len(found))
    kept = list(scores.items())[:limit]
    return tuple(replace(hits[chunk_id], score=score) for chunk_id, score in kept)
