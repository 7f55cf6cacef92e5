"""How good rankings are against labels: nDCG, recall and reciprocal rank, with intervals.

Definitions as in TREC's trec_eval, with labels of 0 or 1; intervals by the bootstrap over questions
(Sakai, SIGIR 2006, doi 10.1145/1148170.1148261).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DEPTH = 10
MEASURES = (f"nDCG@{DEPTH}", f"recall@{DEPTH}", f"MRR@{DEPTH}")
N_RESAMPLES = 10_000

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over questions with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


def score(ranking: Sequence[int], relevant: AbstractSet[int]) -> Values:
    """Return the measures of one ranking, in the order of `MEASURES`.

    Args:
        ranking: chunk ids, best first; what comes after the tenth does not count.
        relevant: the ids that answer the question; at least one.
    """
    gains = np.array([identifier in relevant for identifier in ranking[:DEPTH]], dtype=np.float64)
    discounts = 1 / np.log2(np.arange(2, DEPTH + 2))
    ideal = float(discounts[: len(relevant)].sum())
    first = int(np.argmax(gains)) + 1 if gains.any() else 0
    return np.array(
        [
            float(gains @ discounts[: len(gains)]) / ideal,
            float(gains.sum()) / len(relevant),
            1 / first if first else 0.0,
        ]
    )


def interval(values: Values, *, seed: int = 0) -> Interval:
    """Return the mean of one value a question, and where it may lie for other questions."""
    draws = np.random.default_rng(seed).integers(0, len(values), (N_RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return Interval(mean=float(values.mean()), low=float(low), high=float(high))
