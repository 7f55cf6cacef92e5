"""A search replica's state: the change log of the catalog, folded into indexes.

find:   open_stores --> ids, head of the log          one trip to the database
catch_up    --> log (number, head] --> index of each store: dense, lexical
ranking     --> ids and scores                under the lock, in memory
read:   join the scores of all shards --> read the passages of the best in the catalog
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from index.catalog.catalog import Catalog
from index.errors import ClosedCatalogError, CorpusUnavailableError
from index.records import Change
from index.searching.hits import read_hits
from index.searching.ranking import ShardScores, find, join
from index.searching.recent_queries import RecentQueries
from index.searching.request import Hit, SearchRequest
from index.searching.store_index import StoreIndex
from index.searching.switching import AnyIndex, SwitchingIndex, build_index, new_embedder, read_on
from index.shard import WHOLE, Shard

logger = logging.getLogger(__name__)

CHANGES_A_STEP = 200
MAX_UNPUBLISHED = 8  # stores; each has a writer open, with six threads and 11 MB
_RETRY_S = 1.0


class Fold:
    """Search indexes that follow the catalog, of all passages or of one shard.

    Holds nothing that the catalog does not: it may be dropped at any time and is rebuilt by folding
    the log from the start. Thread-safe; one search of the indexes or catch-up runs at a time, and
    the passages are read beside it.

    Attributes:
        number: the change that was folded last.
        indexes: the index of each store that holds passages, by store id.
        recent_queries: what its searches were for.
    """

    def __init__(self, catalog: Catalog, shard: Shard = WHOLE) -> None:
        self.number = 0
        self.indexes: dict[str, AnyIndex] = {}
        self.recent_queries = RecentQueries()
        self._catalog = catalog
        self._shard = shard
        self._lock = threading.Lock()
        self._unpublished: dict[str, AnyIndex] = {}

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

    def find(self, request: SearchRequest) -> ShardScores:
        """The first half of a search: what this shard finds, as `search` otherwise."""
        opened = self._catalog.seen_by(request.viewer).open_stores(request.stores)
        with self._lock:
            self._catch_up(opened.head)
            # A store without passages has no index.
            of_stores = [self.indexes[one] for one in opened.ids if one in self.indexes]
            found = find(of_stores, request)
        self.recent_queries.note(opened.ids, request.text)
        return found

    def read(self, found: Sequence[ShardScores], request: SearchRequest) -> tuple[Hit, ...]:
        """The second half: the hits of what all shards found; any shard can tell them."""
        return read_hits(self._catalog, join(found, request), request)

    def _catch_up(self, head: int) -> None:
        while self.number < head:
            changes = self._catalog.changes_since(self.number, CHANGES_A_STEP, self._shard)
            with self._all_or_start_over():
                self._apply(changes)
                self.number = changes[-1].number
        if self._unpublished:  # also what an earlier call applied before the catalog failed it
            with self._all_or_start_over():
                self._publish()

    @contextmanager
    def _all_or_start_over(self) -> Iterator[None]:
        """Empties the fold after an error: half a step can be neither finished nor taken back."""
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
            if fingerprint := new_embedder(index, of_store):
                index = self._switch(store_id, index, fingerprint)
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

    def _switch(self, store_id: str, old: AnyIndex, fingerprint: str) -> SwitchingIndex:
        """Lets a store be searched as before while the index of its new embedder is made."""
        index = self.indexes[store_id] = SwitchingIndex(old, fingerprint)
        index.build(lambda: self._take_over(store_id, index))
        return index

    def _take_over(self, store_id: str, switching: SwitchingIndex) -> None:
        """Makes the index of a store anew, beside the searches, and puts it in its place."""

        def is_wanted() -> bool:
            return self.indexes.get(store_id) is switching

        while is_wanted():
            try:
                switching.calibrate(self._catalog)
                built = build_index(self._catalog, store_id, is_wanted, self._shard)
                if built is not None:
                    with self._lock:
                        if is_wanted():
                            self._put(store_id, *built)
            except ClosedCatalogError:
                return
            except CorpusUnavailableError as err:
                logger.warning("the new index of store %s waits: %s", store_id, err)
                time.sleep(_RETRY_S)
            except BaseException:
                with self._lock, self._all_or_start_over():
                    raise

    def _put(self, store_id: str, index: StoreIndex, number: int) -> None:
        """Puts a new index in the place of what is there, if its embedder is still the present."""
        while number < self.number:
            reached = read_on(self._catalog, store_id, index, number, self._shard)
            if reached is None:
                return
            number = reached
        index.publish()
        self.indexes[store_id] = index
        self._unpublished.pop(store_id, None)
