"""Hybrid search over the index of each store: dense and lexical, filtered, fused; ids and scores.

Attributes belong to files, so a filter is answered once per file and handed to both searches as the
set of what may take part: it acts before top-k, and a selective filter still finds `top_k`
passages.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from index.fusion import fuse, fuse_scores
from index.search import FUSION_DEPTH, SearchRequest
from index.switching import AnyIndex

Scores = dict[int, float]


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What was found, as scores by chunk id, best first.

    `fused` orders the hits: in mode "hybrid" it is the fusion of the other two, else the one.
    """

    fused: Scores
    dense: Scores
    lexical: Scores


def rank(indexes: Mapping[str, AnyIndex], request: SearchRequest) -> Ranking:
    """Searches the stores of the request as if they were one.

    Each search merges what the stores found by score; the two rankings are then fused.

    Args:
        indexes: the indexes by store id; a store without passages may be missing.
        request: what to look for.

    Returns:
        More than `top_k` where there are more, for what takes the place of a hit.

    Raises:
        FingerprintMismatchError: the request's vector is of another embedder.
    """
    stores = [indexes[store_id] for store_id in set(request.store_ids) if store_id in indexes]
    limit = max(request.top_k, FUSION_DEPTH)
    dense: Scores = {}
    lexical: Scores = {}
    if request.mode != "lexical":
        dense = _merge(stores, lambda store: store.search_dense(request, limit), limit)
    if request.mode != "dense":
        lexical = _merge(stores, lambda store: store.search_lexical(request, limit), limit)
    return Ranking(fused=_fused(dense, lexical, request), dense=dense, lexical=lexical)


def _fused(dense: Scores, lexical: Scores, request: SearchRequest) -> Scores:
    if request.mode != "hybrid":
        return dense or lexical
    weights = [1.0, request.lexical_weight]
    if request.fusion == "score":
        return fuse_scores([dense, lexical], weights)
    return fuse([list(dense), list(lexical)], weights)


def _merge(stores: Sequence[AnyIndex], find: Callable[[AnyIndex], Scores], limit: int) -> Scores:
    """The best of what all stores found; chunk ids are unique over stores."""
    if len(stores) == 1:
        return find(stores[0])
    found = [pair for store in stores for pair in find(store).items()]
    return dict(sorted(found, key=lambda pair: (-pair[1], pair[0]))[:limit])
