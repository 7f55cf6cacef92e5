"""A search replica's state: the change log of the catalog, folded into indexes."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from index.catalog import Catalog
from index.hits import read_hits
from index.ranking import Found, find, join
from index.records import Change
from index.search import Hit, SearchRequest
from index.shard import WHOLE, Shard
from index.store_index import StoreIndex

CHANGES_A_STEP = 200
MAX_UNPUBLISHED = 8  # stores; each has a writer open, with six threads and 11 MB


class Fold:
    """Search indexes that follow the catalog, of all passages or of one shard.

    Holds nothing that the catalog does not: it may be dropped at any time and is rebuilt by folding
    the log from the start. Thread-safe; one search of the indexes or catch-up runs at a time, and
    the passages are read beside it.

    Attributes:
        number: the change that was folded last.
        indexes: the index of each store that holds passages, by store id.
    """

    def __init__(self, catalog: Catalog, shard: Shard = WHOLE) -> None:
        self.number = 0
        self.indexes: dict[str, StoreIndex] = {}
        self._catalog = catalog
        self._shard = shard
        self._lock = threading.Lock()
        self._unpublished: dict[str, StoreIndex] = {}

    def catch_up(self) -> int:
        """Folds the log up to where it was at the call.

        Returns:
            The number of the change that was folded last.
        """
        head = self._catalog.head()
        with self._lock:
            self._catch_up(head)
            return self.number

    def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Searches the corpus as it is now: all that was committed before the call is seen.

        Raises:
            UnknownStoreError: one of the stores does not exist.
            ExpiredStoreError: one of the stores has expired.
            FingerprintMismatchError: the request's vector is of another embedder.
        """
        return self.read([self.find(request)], request)

    def find(self, request: SearchRequest) -> Found:
        """The first half of a search: what this shard finds, as `search` otherwise."""
        head = self._catalog.touch_stores(request.store_ids)
        with self._lock:
            self._catch_up(head)
            return find(self.indexes, request)

    def read(self, found: Sequence[Found], request: SearchRequest) -> tuple[Hit, ...]:
        """The second half: the hits of what all shards found; any shard can tell them."""
        return read_hits(self._catalog, join(found, request), request)

    def _catch_up(self, head: int) -> None:
        while self.number < head:
            changes = self._catalog.changes_since(self.number, CHANGES_A_STEP, self._shard)
            with self._all_or_start_over():
                self._apply(changes)
                self.number = changes[-1].number
        if self._unpublished:  # perhaps of a time before, when the catalog then failed
            with self._all_or_start_over():
                self._publish()

    @contextmanager
    def _all_or_start_over(self) -> Iterator[None]:
        """What an error leaves folded by half can be neither finished nor taken back."""
        try:
            yield
        except BaseException:
            self.number, self.indexes, self._unpublished = 0, {}, {}
            raise

    def _apply(self, changes: list[Change]) -> None:
        by_store: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            by_store[change.store_id].append(change)
        for store_id, of_store in by_store.items():
            index = self.indexes.setdefault(store_id, StoreIndex())
            index.apply(of_store)
            self._unpublished[store_id] = index
            if not index.num_passages:
                del self.indexes[store_id], self._unpublished[store_id]
        if len(self._unpublished) > MAX_UNPUBLISHED:
            self._publish()

    def _publish(self) -> None:
        """Lets the searches by words see what was applied."""
        for index in self._unpublished.values():
            index.publish()
        self._unpublished.clear()
