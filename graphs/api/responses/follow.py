"""The stream of a stored response, from what is kept of it: whole, or after a number.

It reads what any Gateway writes, so a client may come back to another one than it left.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext

from fastapi import Response
from starlette.types import Receive, Scope, Send

from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.sse import Frame, SseSender
from graphs.api.responses.journal import read
from graphs.api.responses.response_shape import ResponseShape
from graphs.api.responses.run import KEEP_S
from graphs.api.responses.stored import head_of, response_of
from graphs.config import HttpSettings
from graphs.corpus.protocols import Corpus
from graphs.pipeline.events import Finished
from index.catalog.answers.records import UNFINISHED, StoredResponse


class FollowReply(Response):
    """Sends the events of a stored response until it has ended.

    Args:
        record: the response.
        corpus: where its events are kept.
        http: how often a comment is sent, and how long a stalled client is borne.
        with_results: whether the results of the search are shown.
        starting_after: the last event that the client has; -1: none.
        held: is open while it is sent; what it raises is answered instead.
    """

    def __init__(
        self,
        record: StoredResponse,
        corpus: Corpus,
        http: HttpSettings,
        *,
        with_results: bool,
        starting_after: int = -1,
        held: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        super().__init__()
        self._record = record
        self._corpus = corpus
        self._http = http
        self._shape = ResponseShape(
            head_of(record),
            with_results=with_results,
            clock=lambda: self._completed_at,
            starting_after=starting_after,
        )
        self._with_results = with_results
        self._held = held or nullcontext()
        self._completed_at = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, unless the client leaves first."""
        async with self._held:
            await unless_disconnected(receive, self._stream(send))

    async def _stream(self, send: Send) -> None:
        sender = SseSender(send, write_timeout_s=self._http.write_s)
        await sender.start({})
        async with sender.heartbeat(self._http.heartbeat_s), aclosing(self._frames()) as frames:
            async for frame in frames:
                await sender.send(frame)
        await sender.end()

    async def _frames(self) -> AsyncGenerator[Frame, None]:
        for frame in self._shape.begin():
            yield frame
        number = 0
        while True:
            seen = await self._corpus.response_events(self._record.tenant, self._record.id, number)
            self._completed_at = json.loads(seen.body)["completed_at"]
            for event in map(read, seen.events):
                for frame in self._shape.event(event):
                    yield frame
                if isinstance(event, Finished):
                    return
            number += len(seen.events)
            if seen.status not in UNFINISHED:
                break
            await asyncio.sleep(KEEP_S)
        record = await self._corpus.get_response(self._record.tenant, self._record.id)
        ended = response_of(record, with_results=self._with_results)
        for frame in self._shape.end({"status": ended.status, "error": ended.error}):
            yield frame
