"""`POST /v1/chat/completions`: one stream of pipeline events, sent whole or piece by piece."""

import logging
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from starlette.types import Receive, Scope, Send

from graphs.api.border.disconnect import unless_disconnected
from graphs.api.border.fields import joined
from graphs.api.border.json_body import JsonRoute
from graphs.api.border.replies import json_reply, to_json
from graphs.api.border.sse import SseSender
from graphs.api.chat.chat_schema import AssistantMessage, ChatCompletionBody, ChatMessage
from graphs.api.chat.chat_shape import (
    Answer,
    RagChunk,
    RagCompletion,
    ReplyHead,
    completion_of,
    event_chunks,
    opening_chunk,
)
from graphs.api.chat.chat_target import ChatTarget, resolve_target
from graphs.api.chat.resume import EventIds, Resumption, resumption_of
from graphs.api.chat.timing import server_timing
from graphs.api.errors import BadRequestError, DisconnectedError, reply_of
from graphs.api.services import HttpTimeouts, InjectedServices
from graphs.pipeline.events import (
    ChatRequest,
    Event,
    Message,
    RetrievalOptions,
    Retrieved,
    Sampling,
)

logger = logging.getLogger(__name__)
router = APIRouter(tags=["chat"], route_class=JsonRoute)


class ChatResponse(Response):
    """Runs the pipeline while it is being sent.

    The generator is entered, advanced and closed by one task, so a client that leaves closes it
    at once. The first event comes before the status is sent: errors until then keep their own.
    """

    def __init__(
        self,
        events: AsyncGenerator[Event, None],
        head: ReplyHead,
        timeouts: HttpTimeouts,
        resumption: Resumption,
        *,
        is_stream: bool,
    ) -> None:
        super().__init__()
        self._events = events
        self._head = head
        self._timeouts = timeouts
        self._resumption = resumption
        self._is_stream = is_stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, unless the client leaves first."""
        if self._is_stream:
            await unless_disconnected(receive, self._stream(send))
            return
        whole = await unless_disconnected(receive, self._whole())
        await whole(scope, receive, send)

    async def _whole(self) -> Response:
        answer = Answer()
        async with aclosing(self._events) as events:
            async for event in events:
                answer.add(event)
        completion = completion_of(self._head, answer)
        return json_reply(completion, server_timing(answer.end().timings))

    async def _stream(self, send: Send) -> None:
        sender = SseSender(send, write_timeout_s=self._timeouts.write_s)
        async with aclosing(self._events) as events:
            first = await anext(events)
            retrieved = first if isinstance(first, Retrieved) else None
            outlet = _Outlet(sender, EventIds(self._resumption, self._head.created, retrieved))
            await sender.start(server_timing(retrieved.timings if retrieved else ()))
            async with sender.heartbeat(self._timeouts.heartbeat_s):
                await self._send_events(first, events, outlet)
        await sender.end()

    async def _send_events(
        self, first: Event, events: AsyncGenerator[Event, None], outlet: "_Outlet"
    ) -> None:
        retrieved = first if isinstance(first, Retrieved) else None
        try:
            await outlet.send([opening_chunk(self._head, retrieved)])
            await outlet.send(event_chunks(self._head, first, retrieved))
            async for event in events:
                await outlet.send(event_chunks(self._head, event, retrieved))
        except DisconnectedError:
            raise
        except Exception as error:  # the last resort once the 200 is out
            logger.exception("chat %s failed after its stream began", self._head.id)
            await outlet.sender.data(reply_of(error).model_dump_json())
            return
        await outlet.sender.data("[DONE]")


@dataclass(frozen=True)
class _Outlet:
    """Where the chunks of one reply go; those that a reconnecting client has are left out."""

    sender: SseSender
    ids: EventIds

    async def send(self, chunks: Sequence[RagChunk]) -> None:
        for chunk in chunks:
            event_id = self.ids.next()
            if event_id is not None:
                await self.sender.data(to_json(chunk), event_id=event_id)


@router.post("/v1/chat/completions", response_model=RagCompletion, summary="Answer a chat")
async def create_chat_completion(
    request: Request, body: ChatCompletionBody, services: InjectedServices
) -> Response:
    """Answers with `rag`, `rag:<vector store>`, or the bare generator; streams if asked to."""
    messages = tuple(_message(message) for message in body.messages)
    if messages[-1].role != "user" or not messages[-1].text.strip():
        msg = "the last message must be the user's question, and not blank"
        raise BadRequestError(msg, param=f"messages[{len(messages) - 1}]")
    target = await resolve_target(body, services)
    resumption = resumption_of(request.headers, await request.body())
    chat = ChatRequest(
        request_id=request.state.request_id,
        messages=messages,
        store_ids=target.store_ids,
        sampling=_sampling(body, resumption),
        retrieval=_retrieval(body),
        identity=resumption.last.identity if resumption.last else None,
    )
    return ChatResponse(
        services.pipeline.answer(chat),
        _head(body, target, resumption),
        services.timeouts,
        resumption,
        is_stream=bool(body.stream),
    )


def _head(body: ChatCompletionBody, target: ChatTarget, resumption: Resumption) -> ReplyHead:
    options = body.stream_options
    name = resumption.fingerprint.hex()[:32] if resumption.has_key else uuid.uuid4().hex
    return ReplyHead(
        id=f"chatcmpl-{name}",
        created=resumption.last.created if resumption.last else int(time.time()),
        model=target.model,
        is_rag=target.store_ids is not None,
        include_usage=bool(options and options.include_usage),
        debug=bool(body.rag and body.rag.debug),
    )


def _message(message: ChatMessage) -> Message:
    if isinstance(message, AssistantMessage):
        content = "" if message.content is None else joined(message.content)
        return Message(role="assistant", content=content or message.refusal or "")
    return Message(role=message.role, content=joined(message.content))


def _sampling(body: ChatCompletionBody, resumption: Resumption) -> Sampling:
    stop = (body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ())
    return Sampling(
        max_tokens=body.max_completion_tokens or body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        seed=resumption.seed if body.seed is None else body.seed,
        stop=stop,
    )


def _retrieval(body: ChatCompletionBody) -> RetrievalOptions:
    if body.rag is None:
        return RetrievalOptions()
    return RetrievalOptions(
        top_k=body.rag.top_k,
        mode=body.rag.mode,
        expand=body.rag.expand,
        diversity=body.rag.diversity,
        neighbours=body.rag.neighbours,
        rerank=body.rag.rerank,
        score_threshold=body.rag.score_threshold,
        filters=body.rag.filters,
    )
