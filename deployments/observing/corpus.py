"""What the corpus tells of itself: what waits for ingestion, what failed, how much is searched."""

import asyncio
import logging
from collections.abc import Mapping

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


class IndexSizes:
    """Records how much a search replica holds, of few stores by their ids, the others together.

    A store that is told no more, since it has gone or others are larger, is recorded as 0.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._told: set[str] = set()

    def record(self, num_passages: Mapping[str, int]) -> None:
        """Takes the number of passages of every store."""
        ordered = sorted(num_passages.items(), key=lambda one: (-one[1], one[0]))
        told = dict(ordered[:_NUM_STORES])
        told[OTHER] = sum(count for _, count in ordered[_NUM_STORES:])
        for store in self._told - told.keys():
            self._meter.record("ragfleet_index_passages", 0, store=store)
        for store, count in told.items():
            self._meter.record("ragfleet_index_passages", count, store=store)
        self._told = set(told)
