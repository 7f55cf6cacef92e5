"""Questions, passages and answers in the span of a request: of tenants that agreed, else of none.

Names and shapes are those of OpenTelemetry's conventions for generative AI, where all of it is
opt-in (open-telemetry/semantic-conventions-genai: docs/gen-ai, and the schemas in model/gen-ai). An
attribute is text, so lists are written as JSON.

    gen_ai.input.messages           the chat as the client sent it
    gen_ai.retrieval.query.text     what was searched for
    gen_ai.retrieval.documents      the passages that the generator read, or that a search gave
    gen_ai.output.messages          what the client got: not what the safety filter held back
    gen_ai.response.finish_reasons
"""

import json
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from graphs.caller import Caller
from graphs.pipeline.events import (
    Arguments,
    Called,
    ChatRequest,
    Event,
    Finished,
    Passage,
    Retrieved,
    TextDelta,
    Thought,
    choice_of,
)
from graphs.pipeline.relevance import ScoredHit
from graphs.pipeline.trace import Trace
from graphs.settings import EVERY_TENANT
from models.generation import Message

_MAX_CHARS = 16_000  # of one text; a collector refuses batches that are too large
_Json = dict[str, Any]


class SpanTexts:
    """Puts texts into the spans of requests that are sampled.

    Args:
        tenants: those that agreed; `EVERY_TENANT` stands for all.
    """

    def __init__(self, tenants: Sequence[str] = ()) -> None:
        self._tenants = frozenset(tenants)

    def of_chat(
        self, events: AsyncGenerator[Event, None], request: ChatRequest, trace: Trace
    ) -> AsyncGenerator[Event, None]:
        """Gives the same events, noted where they may be."""
        if request.may_be_logged and self._wants(request.caller, trace):
            return _noted(events, request, trace)
        return events

    def of_search(self, queries: Sequence[str], found: Sequence[ScoredHit], trace: Trace) -> None:
        """Notes a search without an answer, where it may be."""
        if self._wants(trace.caller, trace):
            hits = [
                _document(str(one.hit.chunk_id), one.hit.title, one.hit.text, one.score)
                for one in found
            ]
            trace.describe(_retrieval("\n".join(queries), hits))

    def _wants(self, caller: Caller, trace: Trace) -> bool:
        agreed = EVERY_TENANT in self._tenants or caller.tenant in self._tenants
        return agreed and trace.is_sampled


async def _noted(
    events: AsyncGenerator[Event, None], request: ChatRequest, trace: Trace
) -> AsyncGenerator[Event, None]:
    answers: dict[int, _Answer] = defaultdict(_Answer)
    trace.describe({"gen_ai.input.messages": _written(map(_message, request.messages))})
    try:
        async with aclosing(events) as told:
            async for event in told:
                index, one = choice_of(event)
                if isinstance(one, Retrieved):
                    if request.retrieves:
                        passages = [_passage(passage) for passage in one.passages]
                        trace.describe(_retrieval(one.search_query or "", passages))
                else:
                    answers[index].add(one)
                yield event
    finally:
        if answers:
            every = [answers[index] for index in sorted(answers)]
            reasons = [one.finish_reason for one in every if one.finish_reason]
            trace.describe({"gen_ai.response.finish_reasons": reasons})
            trace.describe({"gen_ai.output.messages": _written(one.message() for one in every)})


@dataclass
class _Answer:
    """One answer, as far as it has come."""

    text: str = ""
    thoughts: str = ""
    calls: dict[int, _Json] = field(default_factory=dict)
    finish_reason: str = ""

    def add(self, event: Event) -> None:
        match event:
            case TextDelta():
                self.text += event.text
            case Thought():
                self.thoughts += event.text
            case Called():
                self.calls[event.index] = {
                    "type": "tool_call", "name": event.name, "arguments": "",
                }  # fmt: skip
            case Arguments():
                self.calls[event.index]["arguments"] += event.text
            case Finished():
                self.text += event.refusal or ""
                self.finish_reason = event.finish_reason

    def message(self) -> _Json:
        parts = [_part("reasoning", self.thoughts), _part("text", self.text), *self.calls.values()]
        return {"role": "assistant", "parts": [one for one in parts if one.get("content") != ""]}


def _message(message: Message) -> _Json:
    if message.role == "tool":
        response = {"type": "tool_call_response", "id": message.tool_call_id}
        return {"role": "tool", "parts": [response | {"response": _cut(message.text)}]}
    calls = [
        {"type": "tool_call", "id": one.id, "name": one.name, "arguments": _cut(one.arguments)}
        for one in message.tool_calls
    ]
    said = [_part("text", message.text)] if message.text else []
    return {"role": message.role, "parts": [*said, *calls]}


def _retrieval(query: str, documents: Sequence[_Json]) -> Mapping[str, str]:
    return {
        "gen_ai.retrieval.query.text": _cut(query),
        "gen_ai.retrieval.documents": _written(documents),
    }


def _passage(passage: Passage) -> _Json:
    return _document(passage.chunk_id, passage.title, passage.excerpt, passage.score)


def _document(name: str, title: str, text: str, score: float) -> _Json:
    return {"id": name, "score": round(score, 4), "title": title, "content": _cut(text)}


def _part(kind: str, text: str) -> _Json:
    return {"type": kind, "content": _cut(text)}


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_CHARS else f"{text[:_MAX_CHARS]}…"


def _written(parts: Iterable[_Json]) -> str:
    return json.dumps(list(parts), ensure_ascii=False)
