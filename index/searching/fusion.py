"""One ranking out of several: by reciprocal ranks, or by the scores themselves."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

RANK_CONSTANT = 60  # Cormack, Clarke and Buettcher, SIGIR 2009, doi 10.1145/1571941.1572114


def fuse(rankings: Sequence[Sequence[int]], weights: Sequence[float]) -> dict[int, float]:
    """Fuses rankings of ids, best first.

    Args:
        rankings: the rankings.
        weights: how much each counts; at least one is above 0.

    Returns:
        The score of each id: the sum of weight / (60 + rank) over the rankings that hold it, with
        ranks from 1, divided by that of an id which is first in all, so in 0..1; ordered best
        first, the smaller id where scores are equal.
    """
    best = sum(weight / (RANK_CONSTANT + 1) for weight in weights)
    scores: dict[int, float] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for place, identifier in enumerate(ranking, start=RANK_CONSTANT + 1):
            scores[identifier] = scores.get(identifier, 0.0) + weight / place
    # The second sort leaves equal scores in the order of the first.
    ordered = sorted(sorted(scores), key=scores.__getitem__, reverse=True)
    return {identifier: scores[identifier] / best for identifier in ordered}


def fuse_scores(
    scored: Sequence[Mapping[int, float]], weights: Sequence[float]
) -> dict[int, float]:
    """Fuses scores: the weighted mean of each, scaled to 0..1 over what its search found.

    A convex combination (arXiv 2210.11934): finer than ranks where scores are to be trusted.

    Args:
        scored: the score by id of each search; an id that a search did not find counts 0 there.
        weights: how much each counts; at least one is above 0.

    Returns:
        The score of each id, in 0..1, best first, the smaller id where scores are equal.
    """
    total = sum(weights)
    fused: dict[int, float] = defaultdict(float)
    for scores, weight in zip(scored, weights, strict=True):
        lowest, highest = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
        span = highest - lowest
        for identifier, score in scores.items():
            scaled = (score - lowest) / span if span else 1.0
            fused[identifier] += weight * scaled / total
    return dict(sorted(fused.items(), key=lambda item: (-item[1], item[0])))


def lift(fused: Mapping[int, float], named: Mapping[int, float]) -> dict[int, float]:
    """Puts what holds the identifiers of a question before all that holds none.

    Args:
        fused: the score of each id, in 0..1.
        named: the score of each id that holds identifiers, above 0; more identifiers, more score.

    Returns:
        The mean of the fused score and, twice, of the named one divided by the best of these;
        `fused` where none is named. In 0..1, best first, the smaller id where scores are equal.
    """
    if not named:
        return dict(fused)
    best = max(named.values())
    lifted = {
        identifier: (fused.get(identifier, 0.0) + 2 * named.get(identifier, 0.0) / best) / 3
        for identifier in {**fused, **named}
    }
    return dict(sorted(lifted.items(), key=lambda item: (-item[1], item[0])))


def merge(found: Sequence[dict[int, float]], limit: int) -> dict[int, float]:
    """Takes the best of what several indexes of one kind found; no id is in two of them."""
    if len(found) == 1:
        return found[0]
    pairs = [pair for scores in found for pair in scores.items()]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:limit])
