"""Counts the requests that somebody waits for, so that work nobody waits for makes room for them.

Pure ASGI. Only POST counts: what reads or polls takes no model's time.
"""

import asyncio
import math
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

IN_BATCH = "in_batch"  # of a scope's state: the request is a line of a batch


class Traffic:
    """How much runs at this Gateway for those who wait.

    Attributes:
        num_waiting: requests whose senders wait for the reply, or read it as it comes.
        num_refused: how many of them got 503, since there was no room.
        ended_at: when the last of them ended, by the monotonic clock.
        gap_s: how long nobody waited, of late, until the next one came; infinite: nobody has yet.
    """

    def __init__(self) -> None:
        self.num_waiting = 0
        self.num_refused = 0
        self.ended_at = float("-inf")
        self.gap_s = float("inf")
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Waits until a number changes."""
        await self._changed.wait()

    def count(self, *, waiting: int = 0, refused: int = 0) -> None:
        """Adds to the numbers."""
        if waiting > 0 and not self.num_waiting:
            gap_s = time.monotonic() - self.ended_at
            self.gap_s = gap_s if math.isinf(self.gap_s) else (self.gap_s + gap_s) / 2
        self.num_waiting += waiting
        self.num_refused += refused
        if waiting < 0:
            self.ended_at = time.monotonic()
        self._changed.set()
        self._changed = asyncio.Event()


class CountedTraffic:
    """Counts what passes."""

    def __init__(self, app: ASGIApp, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        is_counted = scope["type"] == "http" and scope["method"] == "POST"
        if not is_counted or scope.get("state", {}).get(IN_BATCH):
            await self._app(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 503:
                self._traffic.count(refused=1)
            await send(message)

        self._traffic.count(waiting=1)
        try:
            await self._app(scope, receive, noting)
        finally:
            self._traffic.count(waiting=-1)
