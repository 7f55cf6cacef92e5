"""Turns for the lines of batches: few at once, and none while others want the models.

A turn waits until fewer requests of others run here than `yields_to`. When one of them is refused
for want of room, the lines that run are given up, and begin again when there is room.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from graphs.api.border.traffic import Traffic
from graphs.settings import BatchSettings

Result = TypeVar("Result")
_PAUSE_S = 2.0  # after a refusal, ours or of others: as long as clients are told to wait


class Turns:
    """Runs work of batches when there is room for it.

    Args:
        settings: gives those of the moment.
        traffic: what others ask of this Gateway.
    """

    def __init__(self, settings: Callable[[], BatchSettings], traffic: Traffic) -> None:
        self._settings = settings
        self._traffic = traffic
        self._num_running = 0
        self._begun_at = time.monotonic()
        self._not_before = 0.0

    def pause(self) -> None:
        """Begins nothing for a while, since there was no room."""
        self._not_before = time.monotonic() + _PAUSE_S

    async def run(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Does the work when there is room; again from the start when others needed that room."""
        while True:
            await self._room()
            self._num_running += 1  # nothing is awaited between this and the look at the room
            self._begun_at = time.monotonic()
            task = asyncio.create_task(work())
            try:
                if await self._unless_needed(task):
                    return task.result()
                self.pause()
            finally:
                self._num_running -= 1
                self._traffic.count()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _unless_needed(self, task: "asyncio.Task[Any]") -> bool:
        """Waits for the task; False: others need its room."""
        num_refused = self._traffic.num_refused
        while not task.done() and self._traffic.num_refused == num_refused:
            change = asyncio.create_task(self._traffic.change())
            try:
                await asyncio.wait({task, change}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                change.cancel()
        return task.done()

    async def _room(self) -> None:
        while (wait_s := self._wait_s()) > 0:
            try:
                async with asyncio.timeout(wait_s):
                    await self._traffic.change()
            except TimeoutError:
                continue

    def _wait_s(self) -> float:
        """Gives how long there is no room unless something changes; 0: there is."""
        settings, now = self._settings(), time.monotonic()
        if self._num_running >= settings.max_running:
            return settings.longest_yield_s
        if self._not_before > now:
            return self._not_before - now
        if self._traffic.num_waiting < settings.yields_to:
            return 0
        return max(0, self._begun_at + settings.longest_yield_s - now)
