"""A model that runs a batch when a test says so."""

import asyncio
import threading

from deployments.batching.batcher import Batcher


class Gate:
    """Doubles numbers; notes each batch, and lets it run when the test says so.

    By its clock, an item takes a second and nothing else takes time.
    """

    def __init__(self, *, is_open=False):
        self.batches = []
        self.now = 0.0
        self._is_open = is_open
        self._arrived = threading.Semaphore(0)
        self._may_run = threading.Semaphore(0)

    def __call__(self, items):
        self.batches.append(list(items))
        self._arrived.release()
        assert self._is_open or self._may_run.acquire(timeout=10)
        self.now += len(items)
        if -1 in items:
            raise ValueError("got -1")
        return [2 * item for item in items]

    async def arrival(self):
        """Waits until the next batch stands before the gate."""
        assert await asyncio.to_thread(self._arrived.acquire, timeout=10)

    def open(self):
        self._is_open = True
        self._may_run.release()

    def let_one_run(self):
        self._may_run.release()


def batcher_of(run, max_cost=4, **kwargs):
    return Batcher(run, cost=lambda _: 1, max_cost=max_cost, clock=lambda: run.now, **kwargs)
