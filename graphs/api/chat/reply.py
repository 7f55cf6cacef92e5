"""One stream of pipeline events sent as one reply, whole or frame by frame, in any shape.

What a reply looks like is the business of its `ReplyShape`; when it is sent, under which ids, and
what happens when client or pipeline fail on the way is the same for all shapes, and stands here.

    events:   Retrieved         TextDelta | Citation | Finished ...       the end       an error
                  |                            |                             |              |
    shape:     opening                       event                        closing         error
                  |                            |                             |              |
    sent:     status 200, frames ------ frames, pings in between -------- frames, end   frame, end

    whole:     all events -> Answer -> whole -> one body; an error keeps its own status
"""

import hashlib
import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Protocol

from fastapi import Response
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.replies import json_reply
from graphs.api.border.sse import Frame, SseSender
from graphs.api.border.timing import server_timing, written_by
from graphs.api.chat.resume import EventIds, Resumption
from graphs.api.error_replies import ErrorReply, reply_of
from graphs.api.errors import DisconnectedError
from graphs.pipeline.events import (
    Arguments,
    Called,
    Citation,
    Event,
    Finished,
    Moved,
    Retrieved,
    TextDelta,
    Thought,
    choice_of,
)
from models.generation import WrittenToken

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """All that came out of the pipeline for one request.

    Attributes:
        thoughts: what a reasoning model thought before it answered.
        calls: of tools: their names, and their arguments as JSON.
        tokens: of the text, where their probabilities were asked for.
        others: the answers beside the first, where several were asked for.
    """

    retrieved: Retrieved
    text: str
    citations: tuple[Citation, ...]
    finished: Finished
    thoughts: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    tokens: tuple[WrittenToken, ...] = ()
    others: tuple["Answer", ...] = ()


class ReplyShape(Protocol):
    """What one reply looks like. Each reply has a shape of its own, which sees it from the start.

    A reply that is resumed is made anew from its start, and the frames that the client has are
    left out. So a shape that counts or collects does so alike in both.
    """

    def opening(self, retrieved: Retrieved) -> Sequence[Frame]:
        """Makes the frames before the text. It is called once, first."""
        ...

    def event(self, event: Event) -> Sequence[Frame]:
        """Makes the frames of the next event; the last one is `Finished`, of the last choice."""
        ...

    def closing(self) -> Sequence[Frame]:
        """Makes what ends a stream in which nothing failed; these frames have no ids."""
        ...

    def error(self, error: ErrorReply) -> Sequence[Frame]:
        """Makes what ends a stream that failed after its 200, in the place of `closing`."""
        ...

    def whole(self, answer: Answer) -> BaseModel:
        """Makes the body of a reply that is not streamed; nothing else is called then."""
        ...


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """How one reply is sent.

    Attributes:
        request_id: appears in the log.
        created: when the reply was made, in seconds since 1970; part of its event ids.
        resumption: what the client has of it already; None: its events have no ids.
        heartbeat_s: longest silence on a stream before a comment is sent.
        write_timeout_s: a client that takes nothing of its stream for so long is dropped.
    """

    request_id: str
    created: int
    resumption: Resumption | None
    heartbeat_s: float
    write_timeout_s: float
    is_stream: bool


class EventReply(Response):
    """Runs the pipeline while it is being sent.

    The generator is entered, advanced and closed by one task, so a client that leaves closes it
    at once. The first event comes before the status is sent: errors until then keep their own.
    """

    def __init__(
        self, events: AsyncGenerator[Event, None], shape: ReplyShape, delivery: Delivery
    ) -> None:
        super().__init__()
        self._events = events
        self._shape = shape
        self._delivery = delivery

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, unless the client leaves first."""
        if self._delivery.is_stream:
            await unless_disconnected(receive, self._stream(send))
            return
        whole = await unless_disconnected(receive, self._whole())
        await whole(scope, receive, send)

    async def _whole(self) -> Response:
        async with aclosing(self._events) as events:
            answer = await answer_of(events)
        headers = server_timing(answer.finished.timings) | written_by(answer.retrieved)
        return json_reply(self._shape.whole(answer), headers)

    async def _stream(self, send: Send) -> None:
        delivery = self._delivery
        sender = SseSender(send, write_timeout_s=delivery.write_timeout_s)
        async with aclosing(self._events) as events:
            retrieved = _first(await anext(events))
            # A stream that cannot be resumed is refused here, while it still has a status.
            ids = None
            if delivery.resumption is not None:
                ids = EventIds(delivery.resumption, delivery.created, retrieved)
            await sender.start(server_timing(retrieved.timings) | written_by(retrieved))
            async with sender.heartbeat(delivery.heartbeat_s):
                await self._send_events(retrieved, events, _Outlet(sender, ids))
        await sender.end()

    async def _send_events(
        self, retrieved: Retrieved, events: AsyncGenerator[Event, None], outlet: "_Outlet"
    ) -> None:
        last: Event = retrieved
        try:
            await outlet.send(self._shape.opening(retrieved))
            async for last in events:
                # A stream that is resumed is made anew, and another making moves otherwise.
                send = outlet.send_unnumbered if isinstance(last, Moved) else outlet.send
                await send(self._shape.event(last))
            _last(last)
            await outlet.send_unnumbered(self._shape.closing())
        except DisconnectedError:
            raise
        except Exception as error:  # the last resort once the 200 is out
            request_id = self._delivery.request_id
            logger.exception("request %s failed after its stream began", request_id)
            # Its id would be that of the event which the client still lacks when it reconnects.
            await outlet.send_unnumbered(self._shape.error(reply_of(error)))


@dataclass(frozen=True)
class _Outlet:
    """Where the frames of one reply go; those that a reconnecting client has are left out."""

    sender: SseSender
    ids: EventIds | None

    async def send(self, frames: Sequence[Frame]) -> None:
        if self.ids is None:
            await self.send_unnumbered(frames)
            return
        for frame in frames:
            event_id = self.ids.next()
            if event_id is not None:
                await self.sender.send(frame, event_id=event_id)

    async def send_unnumbered(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            await self.sender.send(frame)


async def answer_of(events: AsyncGenerator[Event, None]) -> Answer:
    """Waits for all events; raises RuntimeError if they do not keep their order."""
    retrieved = _first(await anext(events))
    choices: dict[int, list[Event]] = {0: [retrieved]}
    async for event in events:
        index, told = choice_of(event)
        choices.setdefault(index, []).append(told)
    first, *others = (_answer(retrieved, told) for _, told in sorted(choices.items()))
    return replace(first, others=tuple(others))


def _answer(retrieved: Retrieved, events: Sequence[Event]) -> Answer:
    deltas = [event for event in events if isinstance(event, TextDelta)]
    return Answer(
        retrieved=retrieved,
        text="".join(delta.text for delta in deltas),
        citations=tuple(event for event in events if isinstance(event, Citation)),
        finished=_last(events[-1]),
        thoughts="".join(event.text for event in events if isinstance(event, Thought)),
        calls=tuple(_calls(events)),
        tokens=tuple(token for delta in deltas for token in delta.tokens),
    )


def call_id(reply: str, call: str) -> str:
    """Names a call of a reply, the same each time that the reply is made."""
    return f"call_{hashlib.sha256(f'{reply}/{call}'.encode()).hexdigest()[:24]}"


def _calls(events: Sequence[Event]) -> Iterator[tuple[str, str]]:
    pieces = [event for event in events if isinstance(event, Arguments)]
    for call in events:
        if isinstance(call, Called):
            yield call.name, "".join(one.text for one in pieces if one.index == call.index)


def _first(event: Event) -> Retrieved:
    if not isinstance(event, Retrieved):
        msg = f"the pipeline must begin with Retrieved, got {type(event).__name__}"
        raise RuntimeError(msg)
    return event


def _last(event: Event) -> Finished:
    _, event = choice_of(event)
    if not isinstance(event, Finished):
        msg = f"the pipeline must end with Finished, got {type(event).__name__}"
        raise RuntimeError(msg)
    return event
