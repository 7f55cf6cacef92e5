"""What the corpus tells of itself: its backlog, and sizes of few stores."""

import asyncio
from dataclasses import dataclass

from deployments.observing.corpus import IndexSizes, StoreFiles, watch_ingestion
from deployments.observing.metrics import MAX_VALUES
from index.catalog.jobs import Backlog
from index.errors import CorpusUnavailableError
from tests.graphs.observing.recorder import RecordingMeter


@dataclass
class Index:
    num_passages: int
    num_bytes: int


async def watched(catalog, meter, is_enough):
    """Records what a catalog tells, again and again, until it is enough."""
    watch = asyncio.create_task(watch_ingestion(catalog, meter, period_s=0.01))
    async with asyncio.timeout(50):
        while not is_enough():
            assert not watch.done(), watch
            await asyncio.sleep(0.01)
    watch.cancel()
    await asyncio.wait([watch])


@dataclass
class Told:
    told: Backlog

    def backlog(self):
        return self.told


async def test_the_backlog_is_recorded():
    files = {"in_progress": 2, "completed": 0, "failed": 1, "cancelled": 0}
    meter = RecordingMeter()
    backlog = Backlog(num_jobs=2, lag_s=60.0, files={"vs_1": files, "": {"failed": 3}})
    jobs = meter.values["ragfleet_ingest_jobs",]
    await watched(Told(backlog), meter, lambda: len(jobs) > 1)
    assert set(jobs) == {2}
    assert set(meter.values["ragfleet_ingest_lag_seconds",]) == {60.0}
    assert set(meter.values["ragfleet_files", "failed", "vs_1"]) == {1}
    assert set(meter.values["ragfleet_files", "failed", "other"]) == {3}
    assert set(meter.values["ragfleet_files", "completed", "other"]) == {0}


def test_every_file_is_counted_once_however_many_stores_come_and_go():
    meter = RecordingMeter()
    files = StoreFiles(meter)
    for first in range(0, 3 * MAX_VALUES, 10):
        meter.values.clear()
        files.record({"": {"failed": 5}} | {f"vs_{first + n}": {"failed": 1} for n in range(20)})
        told = meter.of("ragfleet_files")
        assert all(len(values) == 1 for values in meter.values.values())
        assert sum(told.values()) == 25
        assert len(told) <= MAX_VALUES
    assert told["failed", "vs_0"] == 0


async def test_a_database_that_is_away_is_waited_for():
    class Away:
        num_asked = 0

        def backlog(self):
            self.num_asked += 1
            raise CorpusUnavailableError("away")

    away = Away()
    await watched(away, RecordingMeter(), lambda: away.num_asked > 1)


def test_the_largest_stores_are_told_apart_and_what_has_gone_is_none():
    meter = RecordingMeter()
    sizes = IndexSizes(meter)
    sizes.record({f"vs_{number}": Index(number, 1000 - number) for number in range(1, 31)})
    told = meter.of("ragfleet_index_passages")
    assert told["vs_30",] == 30
    assert told["other",] == sum(range(1, 11))
    assert len(told) == 21
    taken = meter.of("ragfleet_index_memory_bytes")
    assert taken.keys() == told.keys()  # the same stores, though others take more
    assert taken["vs_30",] == 970
    assert taken["other",] == sum(1000 - number for number in range(1, 11))
    meter.values.clear()
    sizes.record({"vs_29": Index(29, 7)})
    for name, size in (("ragfleet_index_passages", 29), ("ragfleet_index_memory_bytes", 7)):
        assert meter.values[name, "vs_30"] == [0]
        assert meter.values[name, "vs_29"] == [size]
