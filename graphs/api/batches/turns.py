"""Turns for the lines of batches: few at once, and none while others want the models.

A turn waits until fewer requests of others run here than `yields_to`. When more of them come, or
one is refused for want of room, the lines that run are given up, and begin again when there is
room. Where lines yield to a single request, and these come so often, of late, that a line would
meet the next one, it is not begun before they have stayed away for twice as long: it would only be
in their way. So that a batch ends also where there is never room, one line in a while is begun and
not given up.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
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
        self._forced_at = float("-inf")
        self._not_before = 0.0
        self._usual_s = 0.0  # how long a line takes

    def pause(self) -> None:
        """Begins nothing for a while, since there was no room."""
        self._not_before = time.monotonic() + _PAUSE_S

    async def run(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Does the work when there is room; again from the start when others needed that room."""
        since = time.monotonic()
        while True:
            is_overdue = await self._room(since)
            wanted_at = max(since, self._traffic.ended_at)  # a busy process begins it later
            self._num_running += 1  # nothing is awaited between this and the look at the room
            if is_overdue:
                self._forced_at = time.monotonic()
            task, began_at = asyncio.create_task(work()), time.monotonic()
            try:
                if await self._unless_needed(task, is_overdue=is_overdue):
                    self._usual_s = (self._usual_s + time.monotonic() - began_at) / 2
                    return task.result()
                self._usual_s = max(self._usual_s, time.monotonic() - wanted_at)
            finally:
                self._num_running -= 1
                self._traffic.count()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _unless_needed(self, task: "asyncio.Task[Any]", *, is_overdue: bool) -> bool:
        """Waits for the task; False: others need its room."""
        num_refused = self._traffic.num_refused
        while not task.done():
            if self._traffic.num_refused > num_refused and not is_overdue:
                self.pause()
                return False
            if not (is_overdue or self._has_room()):
                return False
            change = asyncio.create_task(self._traffic.change())
            try:
                await asyncio.wait({task, change}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                change.cancel()
        return True

    def _has_room(self) -> bool:
        return self._traffic.num_waiting < self._settings().yields_to

    def _quiet_s(self) -> float:
        """For how long nobody else must have asked before a line is begun."""
        quiet_s, gap_s = self._settings().quiet_s, self._traffic.gap_s
        if self._settings().yields_to > 1:  # meeting the next request is in nobody's way
            return quiet_s
        return quiet_s if quiet_s + self._usual_s <= gap_s else max(quiet_s, 2 * gap_s)

    async def _room(self, since: float) -> bool:
        """Waits for room; True: there is none, but the wait, since then, was long enough."""
        while True:
            settings, now = self._settings(), time.monotonic()
            quiet_at = self._traffic.ended_at + self._quiet_s()
            overdue_at = max(since, self._forced_at) + settings.longest_yield_s
            if self._num_running < settings.max_running and now >= self._not_before:
                if self._has_room() and now >= quiet_at:
                    return False
                if now >= overdue_at:
                    return True
            later = [one - now for one in (self._not_before, quiet_at, overdue_at) if one > now]
            with suppress(TimeoutError):
                async with asyncio.timeout(min(later, default=settings.longest_yield_s)):
                    await self._traffic.change()
