"""What the corpus tells of itself: what waits for ingestion, what failed, how much is searched."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

from deployments.observing.metrics import MAX_VALUES, OTHER, Meter
from index.catalog.catalog import Catalog
from index.errors import CorpusUnavailableError

logger = logging.getLogger(__name__)

# Ray shows a gauge for two of its intervals after it was set, of 10 s each unless one sets them.
_PERIOD_S = 8.0
_NUM_STORES = 20  # that are told apart, the largest


async def watch_ingestion(catalog: Catalog, meter: Meter, *, period_s: float = _PERIOD_S) -> None:
    """Records what waits and what failed, again and again; a lost database is waited for."""
    files = StoreFiles(meter)
    while True:
        try:
            backlog = await asyncio.to_thread(catalog.backlog)
            meter.record("ragfleet_ingest_jobs", backlog.num_jobs)
            meter.record("ragfleet_ingest_lag_seconds", backlog.lag_s)
            files.record(backlog.files)
        except CorpusUnavailableError as err:
            logger.warning("the backlog of the corpus is not known: %s", err)
        await asyncio.sleep(period_s)


class StoreFiles:
    """Records how many files of which status stores have, of few stores by their ids.

    All files are in the sum over stores, always: the alert about failed ones goes by it. So the
    labels that a meter gives up are not waited for.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._named: set[str] = set()

    def record(self, files: Mapping[str, Mapping[str, int]]) -> None:
        """Takes the files of stores by status; an empty id stands for all other stores."""
        told = {name: Counter[str]() for name in (*self._named, OTHER)}
        for store, counts in files.items():
            told.setdefault(self._name(store), Counter()).update(counts)
        statuses = sorted({status for counts in files.values() for status in counts})
        for name, counts in told.items():
            for status in statuses:
                self._meter.record("ragfleet_files", counts[status], status=status, store=name)

    def _name(self, store: str) -> str:
        if store and (store in self._named or len(self._named) < MAX_VALUES - 1):
            self._named.add(store)
            return store
        return OTHER


class SizedIndex(Protocol):
    """The index of one store: `index.searching.store_index.StoreIndex`."""

    @property
    def num_passages(self) -> int:
        """How many passages it holds."""
        ...

    @property
    def num_bytes(self) -> int:
        """The memory that it takes, about."""
        ...


class IndexSizes:
    """Records how much a search replica holds, of few stores by their ids, the others together.

    The largest are those with the most passages, for both. A store that is told no more, since it
    has gone or others are larger, is recorded as 0.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._told: set[str] = set()

    def record(self, indexes: Mapping[str, SizedIndex]) -> None:
        """Takes the index of every store."""
        sizes = {store: (one.num_passages, one.num_bytes) for store, one in indexes.items()}
        ordered = sorted(sizes, key=lambda store: (-sizes[store][0], store))
        rest = [sizes[store] for store in ordered[_NUM_STORES:]]
        told = {store: sizes[store] for store in ordered[:_NUM_STORES]}
        told[OTHER] = (sum(count for count, _ in rest), sum(num_bytes for _, num_bytes in rest))
        for store in self._told - told.keys():
            self._write(store, 0, 0)
        for store, size in told.items():
            self._write(store, *size)
        self._told = set(told)

    def _write(self, store: str, num_passages: int, num_bytes: int) -> None:
        self._meter.record("ragfleet_index_passages", num_passages, store=store)
        self._meter.record("ragfleet_index_memory_bytes", num_bytes, store=store)
