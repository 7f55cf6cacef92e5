"""How alike two embedders search a store: the exact nearest passages of the same queries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from index.records import Vectors

DEPTH = 10
_NOTHING = -1  # stands for a hit that there is not
_VECTORS_AT_ONCE = 8192

NearestIds = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


class VectorReader(Protocol):
    """Where the vectors are stored: the catalog."""

    def read_vectors(self, fingerprint: str, chunk_ids: Sequence[int]) -> dict[int, Vectors]:
        """The vectors of passages, by their ids, without those that have none."""
        ...


@dataclass(frozen=True, kw_only=True)
class EmbedderComparison:
    """What two embedders found for the same queries.

    Attributes:
        old: int64, (n_queries, DEPTH), chunk ids, best first, -1 where there are no more.
        new: as `old`.
    """

    old: NearestIds
    new: NearestIds

    @property
    def overlaps(self) -> npt.NDArray[np.float64]:
        """For each query the share of the old hits that are among the new ones."""
        shared = (self.old[:, :, None] == self.new[:, None, :]).any(axis=2) & (self.old != _NOTHING)
        overlaps: npt.NDArray[np.float64] = shared.sum(axis=1) / np.maximum(
            (self.old != _NOTHING).sum(axis=1), 1
        )
        return overlaps

    @property
    def same_first(self) -> npt.NDArray[np.bool_]:
        """For each query whether both have the same first hit."""
        same: npt.NDArray[np.bool_] = self.old[:, 0] == self.new[:, 0]
        return same


def nearest(
    reader: VectorReader, fingerprint: str, chunk_ids: Sequence[int], queries: Vectors
) -> NearestIds:
    """The nearest passages of each query, exactly, however many passages there are.

    Args:
        reader: gives the vectors, some thousands at a time.
        fingerprint: the embedder of the queries.
        chunk_ids: the passages, ascending.
        queries: float32, (n_queries, dim), unit L2 norm.

    Returns:
        int64, (n_queries, DEPTH), best first, the smaller id where equal; -1 where there is none.
    """
    best: NearestIds = np.full((len(queries), DEPTH), _NOTHING, np.int64)
    scores: Scores = np.full((len(queries), DEPTH), -np.inf, np.float32)
    for start in range(0, len(chunk_ids), _VECTORS_AT_ONCE):
        found = reader.read_vectors(fingerprint, chunk_ids[start : start + _VECTORS_AT_ONCE])
        if not found:
            continue
        read = sorted(found)
        ids = np.concatenate([best, np.broadcast_to(read, (len(queries), len(read)))], axis=1)
        cosines = np.concatenate([scores, queries @ np.stack([found[i] for i in read]).T], axis=1)
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :DEPTH]
        best, scores = np.take_along_axis(ids, order, 1), np.take_along_axis(cosines, order, 1)
    return best
