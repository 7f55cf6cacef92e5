"""Looks for work that waits in the catalog, as long as the application runs."""

import asyncio
import contextvars
import logging
import os
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress

from graphs.errors import GraphError
from index.errors import CorpusError

logger = logging.getLogger(__name__)


class Claiming:
    """Calls `look` again and again, and at once when it is woken.

    Args:
        look: takes what waits, as far as there is room; what it raises is tried again.
        what: waits, for the log.
        poll_s: gives how long nothing is looked for, in seconds.
    """

    def __init__(
        self, look: Callable[[], Awaitable[None]], *, what: str, poll_s: Callable[[], float]
    ) -> None:
        self._look = look
        self._what = what
        self._poll_s = poll_s
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look."""
        if self._task is None or self._task.done():
            # Without the context of a request: what waits here has no deadline.
            self._task = asyncio.get_running_loop().create_task(
                self._forever(), context=contextvars.Context()
            )

    async def stop(self) -> None:
        """Looks no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def wake(self) -> None:
        """Looks now."""
        self._wake.set()

    async def _forever(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._look()
            except (GraphError, CorpusError) as err:
                logger.info("no look at waiting %s: %r", self._what, err)
            except Exception:  # who looks must go on looking
                logger.exception("no look at waiting %s", self._what)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._poll_s()):
                    await self._wake.wait()


class LeasedWork:
    """Work that any Gateway takes from the catalog, and that another one takes over when it dies.

    Args:
        look: claims what waits, as far as there is room.
        what: waits, for the log.
        poll_s: gives how long nothing is looked for, in seconds.
    """

    def __init__(
        self, look: Callable[[], Awaitable[None]], *, what: str, poll_s: Callable[[], float]
    ) -> None:
        self._owner = f"gateway-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._working: dict[str, asyncio.Task[None]] = {}
        self._claiming = Claiming(look, what=what, poll_s=poll_s)

    def start(self) -> None:
        """Begins to look for what waits."""
        self._claiming.start()

    async def stop(self) -> None:
        """Ends all work; others take it over when the leases run out."""
        await self._claiming.stop()
        tasks = [*self._working.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self) -> None:
        """Says that something waits."""
        self.start()
        self._claiming.wake()
