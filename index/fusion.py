"""One ranking out of several: reciprocal rank fusion."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

RANK_CONSTANT = 60  # Cormack, Clarke and Buettcher, SIGIR 2009, doi 10.1145/1571941.1572114


def fuse(rankings: Iterable[Sequence[int]]) -> dict[int, float]:
    """Fuses rankings of ids, best first.

    Returns:
        The score of each id, the sum of 1 / (60 + rank) over the rankings that hold it, with ranks
        from 1; ordered best first, the smaller id where scores are equal.
    """
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, identifier in enumerate(ranking, start=1):
            scores[identifier] += 1.0 / (RANK_CONSTANT + rank)
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
