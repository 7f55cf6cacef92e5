"""What the corpus tells of itself: what waits for ingestion, what failed, how much is searched."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from deployments.observing.metrics import OTHER, Meter
from index.catalog.catalog import Catalog
from index.catalog.jobs import Backlog
from index.errors import CorpusUnavailableError

logger = logging.getLogger(__name__)

_PERIOD_S = 15.0
_NUM_STORES = 20  # that are told apart, the largest


async def watch_ingestion(catalog: Catalog, meter: Meter, *, period_s: float = _PERIOD_S) -> None:
    """Records what waits and what failed, again and again; a lost database is waited for."""
    while True:
        try:
            record_backlog(meter, await asyncio.to_thread(catalog.backlog))
        except CorpusUnavailableError as err:
            logger.warning("the backlog of the corpus is not known: %s", err)
        await asyncio.sleep(period_s)


def record_backlog(meter: Meter, backlog: Backlog) -> None:
    """Records what waits for ingestion, and how files of vector stores are."""
    meter.record("ragfleet_ingest_jobs", backlog.num_jobs)
    meter.record("ragfleet_ingest_lag_seconds", backlog.lag_s)
    for status, count in backlog.num_files.items():
        meter.record("ragfleet_files", count, status=status)


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
