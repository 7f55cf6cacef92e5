"""A store whose embedder was switched: it is searched as before while its new index is built.

    switch      log: c1 ...... c2 ............ c3
      |               |         |               |
    old index    [ old vectors, without c1, c2 ]      searched until the takeover
    changed      [ c1 | c1, c2 ]  new embedder        searched with it, on the old scale
    new index    built from the catalog .......[ all ] takes over: one index again

A file that changes meanwhile leaves the old index for the small one, so a search finds all that was
committed. Two embedders have two scales of cosines, so the small one's are turned into the old
scale until the new index takes over.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from index.records import Change, Vectors
from index.searching.comparison import VectorReader
from index.searching.file_table import Ids
from index.searching.fusion import merge
from index.searching.request import SearchRequest
from index.searching.store_index import StoreIndex
from index.shard import WHOLE, Shard

CHANGES_A_READ = 200
_FEW = 20  # changes; with so few left the new index is brought up to date while searches wait
_SAMPLE = 256  # passages that the scales of two embedders are compared on
_LEAST_SAMPLE = 16
_NO_VECTORS: Vectors = np.empty((0, 0), np.float32)


class ReadsStores(Protocol):
    """Where an index is built from: the catalog."""

    def head(self) -> int:
        """The number of the last change."""
        ...

    def changes_since(self, number: int, limit: int, shard: Shard) -> list[Change]:
        """The next changes after `number`, in order."""
        ...

    def store_contents(self, store_id: str, after: str, limit: int, shard: Shard) -> list[Change]:
        """What files of a store hold now, by file id, as changes."""
        ...


@dataclass(frozen=True)
class _Scales:
    """The same passages as two embedders see them.

    Attributes:
        old: float32, (n_passages, old dim), unit L2 norm.
        new: float32, (n_passages, new dim), unit L2 norm.
    """

    old: Vectors
    new: Vectors

    def to_old(
        self, cosines: dict[int, float], old_query: Vectors, new_query: Vectors
    ) -> dict[int, float]:
        """Gives cosines of the new embedder the mean and the spread of the old, for this query."""
        old, new = self.old @ old_query, self.new @ new_query
        factor = float(old.std() / max(new.std(), 1e-6))
        return {
            chunk_id: float(old.mean()) + (cosine - float(new.mean())) * factor
            for chunk_id, cosine in cosines.items()
        }


class SwitchingIndex:
    """Stands in for the index of a store until the one of its new embedder is built.

    Not thread-safe, as `StoreIndex`: Fold has the lock.

    Args:
        old: what the store was searched by.
        fingerprint: the new embedder.
    """

    def __init__(self, old: "AnyIndex", fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._old = old
        self._changed = StoreIndex()
        self._sample: list[int] = np.unique(
            np.random.default_rng(0).choice(old.chunk_ids, _SAMPLE)
        ).tolist()
        self._scales: _Scales | None = None
        self._thread: threading.Thread | None = None

    @property
    def scale(self) -> str:
        """The embedder on whose scale the cosines are: that of the oldest index."""
        return self._old.scale if isinstance(self._old, SwitchingIndex) else self._old.fingerprint

    def calibrate(self, reader: VectorReader) -> None:
        """Learns how the cosines of the new embedder compare with the old; beside any search."""
        old, new = (
            reader.read_vectors(name, self._sample) for name in (self.scale, self.fingerprint)
        )
        both = sorted(old.keys() & new.keys())
        if len(both) >= _LEAST_SAMPLE and self.scale != self.fingerprint:
            self._scales = _Scales(
                np.stack([old[i] for i in both]), np.stack([new[i] for i in both])
            )

    @property
    def chunk_ids(self) -> Ids:
        """The ids of all passages."""
        return np.concatenate([self._old.chunk_ids, self._changed.chunk_ids])

    @property
    def num_passages(self) -> int:
        """How many passages the store holds."""
        return self._old.num_passages + self._changed.num_passages

    @property
    def num_bytes(self) -> int:
        """The memory that it takes, about, without the index that is built."""
        return self._old.num_bytes + self._changed.num_bytes

    @property
    def is_building(self) -> bool:
        """Always: this index goes when the new one is built."""
        return True

    def apply(self, changes: Sequence[Change]) -> None:
        """Folds changes of this store, in the order of the log; one applied twice counts once."""
        self._old.apply(
            [replace(one, kind="delete", passages=(), vectors=_NO_VECTORS) for one in changes]
        )
        self._changed.apply(changes)

    def publish(self) -> None:
        """Lets searches see all that was applied."""
        self._old.publish()
        self._changed.publish()

    def search_dense(self, request: SearchRequest, limit: int) -> dict[int, float]:
        """The cosine of the nearest passages, by chunk id, best first.

        Raises:
            FingerprintMismatchError: the request has no vector of the old embedder, or of the new.
        """
        old = self._old.search_dense(request, limit)
        changed = self._changed.search_dense(request, limit)
        queries = [request.vector_of(name) for name in (self.scale, self.fingerprint)]
        if self._scales is not None and queries[0] is not None and queries[1] is not None:
            changed = self._scales.to_old(changed, queries[0], queries[1])
        return merge([old, changed], limit)

    def search_lexical(self, request: SearchRequest, limit: int) -> dict[int, float]:
        """The BM25 score of passages that share words with the text, best first."""
        old = self._old.search_lexical(request, limit)
        return merge([old, self._changed.search_lexical(request, limit)], limit)

    def search_named(self, request: SearchRequest, limit: int) -> dict[int, float]:
        """Scores passages that hold an identifier of the text, best first."""
        old = self._old.search_named(request, limit)
        return merge([old, self._changed.search_named(request, limit)], limit)

    def build(self, work: Callable[[], None]) -> None:
        """Starts to build the new index, on a thread of its own."""
        self._thread = threading.Thread(target=work, name="switch-embedder", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Waits until the new index has taken over."""
        if self._thread is not None:
            self._thread.join()


AnyIndex: TypeAlias = StoreIndex | SwitchingIndex


def new_embedder(index: AnyIndex, changes: Sequence[Change]) -> str | None:
    """The embedder of the changes, if the passages of the index are of another."""
    named = (one.fingerprint for one in changes if one.fingerprint not in ("", index.fingerprint))
    return next(named, None) if index.num_passages else None


def build_index(
    catalog: ReadsStores, store_id: str, is_wanted: Callable[[], bool], shard: Shard = WHOLE
) -> tuple[StoreIndex, int] | None:
    """Reads a shard of a store into a new index, whatever is written meanwhile.

    Returns:
        The index, and the number of a change up to which it knows the log, which has only a few
        more; None if the store was switched meanwhile, or the index is not wanted any more.

    Raises:
        CorpusUnavailableError: the database is out of reach.
    """
    number, after, index = catalog.head(), "", StoreIndex()
    while files := catalog.store_contents(store_id, after, CHANGES_A_READ, shard):
        if not is_wanted() or new_embedder(index, files):
            return None
        index.apply(files)
        after = files[-1].file_id
    index.publish()
    index.wait()  # seconds, in which the log goes on
    while True:
        reached = read_on(catalog, store_id, index, number, shard)
        if reached is None or not is_wanted():
            return None
        if reached - number < _FEW:
            return index, reached
        number = reached


def read_on(
    catalog: ReadsStores, store_id: str, index: StoreIndex, number: int, shard: Shard
) -> int | None:
    """Folds the next changes after `number` into the index of one store.

    Returns:
        The number of the last one read; None if the store was switched to another embedder.
    """
    changes = catalog.changes_since(number, CHANGES_A_READ, shard)
    of_store = [one for one in changes if one.store_id == store_id]
    if new_embedder(index, of_store):
        return None
    index.apply(of_store)
    return number + len(changes)
