"""Fewer passages that say the same: near-duplicates out, and maximal marginal relevance."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from index.records import Vectors


def diversify(
    scores: Mapping[int, float],
    vectors: Vectors,
    *,
    limit: int,
    diversity: float,
    max_similarity: float,
) -> dict[int, float]:
    """Picks passages one by one, each relevant and unlike those before it.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998, doi 10.1145/290941.291025):
    the next passage has the greatest (1 - diversity) * score - diversity * (its greatest cosine
    with a picked one), with the scores scaled to 0..1.

    Args:
        scores: score by id, best first.
        vectors: float32, (n_ids, dim), unit L2 norm, in the order of `scores`.
        limit: passages at most.
        diversity: 0 keeps the order of the scores, 1 looks at likeness alone.
        max_similarity: a passage whose cosine with a picked one is above this is left out.

    Returns:
        The score of each picked id, in the order of picking.
    """
    ids = list(scores)
    relevance = _scaled(np.fromiter(scores.values(), np.float64, len(ids)))
    likeness = np.full(len(ids), -1.0)
    is_open = np.ones(len(ids), dtype=bool)
    picked: dict[int, float] = {}
    while len(picked) < limit:
        is_open &= likeness <= max_similarity
        if not is_open.any():
            break
        gain = (1 - diversity) * relevance - diversity * np.maximum(likeness, 0)
        best = int(np.argmax(np.where(is_open, gain, -np.inf)))
        picked[ids[best]] = scores[ids[best]]
        is_open[best] = False
        likeness = np.maximum(likeness, vectors @ vectors[best])
    return picked


def _scaled(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    span = float(np.ptp(values)) if len(values) else 0.0
    return (values - values.min()) / span if span else np.ones(len(values))
