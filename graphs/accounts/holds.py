"""How many requests of a key run at once, at all Gateways together.

Each Gateway tells the catalog how many it has, before one more begins and soon after some ended. It
repeats that while any runs, so those of a Gateway that is gone count no more after `_HELD_S`.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable, Sequence

from graphs.accounts.store import ANSWER_S, QuotaStore
from graphs.errors import GraphError
from index.catalog.accounts.records import HoldAsk
from index.errors import CorpusError

logger = logging.getLogger(__name__)

_HELD_S = 15.0
_REPEAT_S = 5.0
_TOLD_S = 0.05  # what ends meanwhile is told at once


class Holds:
    """The requests of one Gateway that run, by subject."""

    def __init__(self, store: Callable[[], QuotaStore]) -> None:
        self._store = store
        self._holder = uuid.uuid4().hex
        self._open: Counter[str] = Counter()
        self._ended: set[str] = set()
        self._telling: asyncio.Task[None] | None = None
        self._has_ended = asyncio.Event()

    async def begin(self, subject: str, limit: int) -> bool:
        """Says whether one more may run; then `end` must follow it."""
        self._open[subject] += 1
        ask = HoldAsk(subject=subject, num_open=self._open[subject], limit=limit)
        try:
            (fits,) = await self._fit([ask])
        except (CorpusError, GraphError, TimeoutError) as err:
            logger.warning("limits wait for the catalog, requests are admitted: %r", err)
            fits = True
        except BaseException:
            self.end(subject)
            raise
        if not fits:
            self._open[subject] -= 1
            return False
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())
        return True

    def end(self, subject: str) -> None:
        """Notes that one has ended."""
        self._open[subject] -= 1
        self._ended.add(subject)
        self._has_ended.set()

    async def stop(self) -> None:
        """Ends the repetition."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.wait([self._telling])

    async def _fit(self, asks: Sequence[HoldAsk]) -> tuple[bool, ...]:
        async with asyncio.timeout(ANSWER_S):
            return await self._store().hold_quotas(self._holder, asks, _HELD_S)

    async def _tell(self) -> None:
        while self._ended or any(self._open.values()):
            try:
                async with asyncio.timeout(_REPEAT_S):
                    await self._has_ended.wait()
                await asyncio.sleep(_TOLD_S)
                told = self._ended
            except TimeoutError:
                told = set(self._open)
            self._ended = set()
            self._has_ended.clear()
            asks = [HoldAsk(subject=one, num_open=self._open[one]) for one in sorted(told)]
            try:
                await self._fit(asks)
            except (CorpusError, GraphError, TimeoutError) as err:
                logger.warning("limits wait for the catalog: %r", err)
                self._ended |= told
                await asyncio.sleep(1.0)
            self._open += Counter()  # drops those that are 0
