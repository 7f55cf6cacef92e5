"""Hybrid search over the index of each store: dense and lexical, filtered, fused; ids and scores.

Attributes belong to files, so a filter is answered once per file and handed to both searches as the
set of what may take part: it acts before top-k, and a selective filter still finds `top_k`
passages.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from index.searching.fusion import fuse, fuse_scores, lift, merge
from index.searching.request import FUSION_DEPTH, SearchRequest
from index.searching.switching import AnyIndex

Scores = dict[int, float]


@dataclass(frozen=True, kw_only=True)
class ShardScores:
    """What the two searches found, as scores by chunk id, best first; empty where one was not made.

    More than `top_k` where there are more: at least as many as the fusion wants. `named`, of mode
    "hybrid", holds the passages that have an identifier of the question.
    """

    dense: Scores
    lexical: Scores
    named: Scores = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Ranking(ShardScores):
    """What was found, in one order.

    `fused` orders the hits: in mode "hybrid" it is the fusion of the other two, else the one.
    """

    fused: Scores


def find(indexes: Collection[AnyIndex], request: SearchRequest) -> ShardScores:
    """Searches the indexes of some stores as if they were one.

    Each search merges what the stores found by score.

    Raises:
        FingerprintMismatchError: the request's vector is of another embedder.
    """
    limit = _depth(request)
    dense: list[Scores] = []
    lexical: list[Scores] = []
    if request.mode != "lexical":
        dense = [index.search_dense(request, limit) for index in indexes]
    if request.mode != "dense":
        lexical = [index.search_lexical(request, limit) for index in indexes]
    named = [index.search_named(request, limit) for index in indexes if request.mode == "hybrid"]
    return ShardScores(
        dense=merge(dense, limit), lexical=merge(lexical, limit), named=merge(named, limit)
    )


def join(found: Sequence[ShardScores], request: SearchRequest) -> Ranking:
    """Ranks what the shards found as if they were one index.

    Each search is merged by score, over all shards; the two rankings are then fused, once.

    Args:
        found: of every shard, in any order.
        request: what was looked for.
    """
    limit = _depth(request)
    dense = merge([one.dense for one in found], limit)
    lexical = merge([one.lexical for one in found], limit)
    named = merge([one.named for one in found], limit)
    fused = _fused(dense, lexical, named, request)
    return Ranking(fused=fused, dense=dense, lexical=lexical, named=named)


def _depth(request: SearchRequest) -> int:
    return max(request.top_k, FUSION_DEPTH)


def _fused(dense: Scores, lexical: Scores, named: Scores, request: SearchRequest) -> Scores:
    if request.mode != "hybrid":
        return dense or lexical
    weights = [1.0, request.lexical_weight]
    if request.fusion == "score":
        return lift(fuse_scores([dense, lexical], weights), named)
    return lift(fuse([list(dense), list(lexical)], weights), named)
