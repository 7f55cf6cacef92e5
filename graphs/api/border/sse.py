"""Server-sent events over plain ASGI, one frame at a time: nothing piles up at a slow reader.

The format is that of https://html.spec.whatwg.org/multipage/server-sent-events.html:

    id: 1700000000-0123456789abcdef-3       `event_id` of `SseSender.send`
    event: response.output_text.delta       Frame.event
    data: {"delta": "Requests wait"}        Frame.data
                                            an empty line ends the frame
    : ping                                  a comment, when nothing else was sent for a while
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.types import Send

from graphs.api.border.replies import to_json
from graphs.api.errors import StalledError

_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # nginx would collect the stream otherwise
}
# Without a blank line, which ends an event: openai-python takes that for an event without data once
# an event had an id, and fails.
_PING = b": ping\n"
# What a route says of replies that may be streamed. No type: some readers of OpenAPI 3.1 take the
# schema for that of the whole text, others for that of each event.
_EVENTS = {"description": "Server-sent events; `data` is JSON, or a last `[DONE]`."}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": _EVENTS}}}
}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One event of a stream.

    Attributes:
        data: what it says: a model, which becomes one line of JSON when it is sent, or one line.
        event: its name; None: it has none, and clients call it `message`.
    """

    data: BaseModel | str
    event: str | None = None


class SseSender:
    """Writes the frames of one stream.

    Every write waits until the server below has taken it; a client that takes nothing for
    `write_timeout_s` is given up.
    """

    def __init__(self, send: Send, *, write_timeout_s: float) -> None:
        self._send = send
        self._write_timeout_s = write_timeout_s
        self._turn = asyncio.Lock()  # a ping must not fall into the middle of another write
        self._is_stalled = False
        self._last_write = 0.0

    async def start(self, headers: Mapping[str, str]) -> None:
        """Sends status 200 and the headers."""
        raw = [(name.encode(), value.encode()) for name, value in {**_HEADERS, **headers}.items()]
        await self._write({"type": "http.response.start", "status": 200, "headers": raw})

    async def send(self, frame: Frame, *, event_id: str | None = None) -> None:
        """Sends one event."""
        head = "" if event_id is None else f"id: {event_id}\n"
        if frame.event is not None:
            head += f"event: {frame.event}\n"
        data = frame.data if isinstance(frame.data, str) else to_json(frame.data)
        await self._write(_body(f"{head}data: {data}\n\n".encode()))

    async def end(self) -> None:
        """Ends the stream."""
        await self._write({"type": "http.response.body", "body": b"", "more_body": False})

    @contextlib.asynccontextmanager
    async def heartbeat(self, every_s: float) -> AsyncIterator[None]:
        """Sends a comment whenever nothing was sent for `every_s`, as long as the block runs.

        Raises:
            StalledError: nobody took it; the block is cancelled, whatever it waits for.
        """
        try:
            async with asyncio.TaskGroup() as group:
                beating = group.create_task(self._beat(every_s))
                yield
                beating.cancel()
        except BaseExceptionGroup as failed:  # of the block or of the beat: the first ends both
            raise failed.exceptions[0] from None

    async def _beat(self, every_s: float) -> None:
        now = asyncio.get_running_loop().time
        while True:
            silence_s = now() - self._last_write
            if silence_s >= every_s:
                await self._write(_body(_PING))
            else:
                await asyncio.sleep(every_s - silence_s)

    async def _write(self, message: dict[str, object]) -> None:
        async with self._turn:
            if self._is_stalled:
                raise StalledError(self._stalled_reason())
            try:
                async with asyncio.timeout(self._write_timeout_s):
                    await self._send(message)
            except TimeoutError as err:
                self._is_stalled = True
                raise StalledError(self._stalled_reason()) from err
            self._last_write = asyncio.get_running_loop().time()

    def _stalled_reason(self) -> str:
        return f"the client has read nothing of its stream for {self._write_timeout_s} s"


def _body(frame: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": frame, "more_body": True}
