"""The pipeline's events as an OpenAI response: whole, and as the events of its stream.

    Retrieved    created, in_progress; with a search: output_item.added,
                 file_search_call.in_progress, .searching, .completed, output_item.done
    Thought      with the first: output_item.added, content_part.added; reasoning_text.delta
    TextDelta    with the first: output_item.added, content_part.added; output_text.delta
    Citation     output_text.annotation.added
    Called       output_item.added
    Arguments    function_call_arguments.delta
    Finished     completed or incomplete

An item ends, with its own events, before the next one begins and before the response does. All of
it is a pure function of the events, the `sequence_number`s too: whoever has the events can send the
stream again from any of them.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from openai.types import responses as api
from openai.types.responses.response_file_search_tool_call import Result
from openai.types.responses.response_output_text import AnnotationFileCitation
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import BaseModel

from graphs.api.border.sse import Frame
from graphs.api.chat.logprobs import response_logprobs
from graphs.api.chat.reply import Answer
from graphs.api.chat.writer import WrittenBy, written_by_of
from graphs.api.error_replies import ErrorReply
from graphs.api.responses.emitting import Emitter, OpenMessage
from graphs.api.responses.own_items import OpenCall, OpenReasoning
from graphs.pipeline.events import (
    Arguments,
    Called,
    Citation,
    Event,
    Finished,
    Retrieved,
    TextDelta,
    Thought,
    Usage,
)

_SEARCH_STAGES: Mapping[str, type[BaseModel]] = {
    "in_progress": api.ResponseFileSearchCallInProgressEvent,
    "searching": api.ResponseFileSearchCallSearchingEvent,
    "completed": api.ResponseFileSearchCallCompletedEvent,
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def unix_time() -> int:
    """The time in whole seconds."""
    return int(time.time())


class RagResponse(api.Response):
    """A response with our extensions: what was left out because it failed, and who wrote it."""

    degraded: list[str] | None = None
    written_by: WrittenBy | None = None


class ResponseShape:
    """A response, or the events of one. See `graphs.api.chat.reply.ReplyShape`.

    Args:
        head: the fields of the response that do not depend on its answer.
        with_results: whether the results of the search are shown.
        clock: says when it was completed, in unix seconds.
        starting_after: events up to this number are left out.
    """

    def __init__(
        self,
        head: Mapping[str, Any],
        *,
        with_results: bool,
        clock: Callable[[], int] = unix_time,
        starting_after: int = -1,
    ) -> None:
        self._head = head
        self._clock = clock
        self._with_results = with_results
        self._emitter = Emitter(head["id"], starting_after=starting_after)
        self._state: dict[str, Any] = {"status": "in_progress"}
        self._open: OpenMessage | OpenReasoning | OpenCall | None = None
        self._written_by: WrittenBy | None = None
        self._num_chars = 0

    def begin(self) -> list[Frame]:
        """Makes the events before anything was found; the first call alone makes any."""
        if not self._emitter.has_begun:
            add = self._emitter.add
            add(api.ResponseCreatedEvent, "response.created", response=self.response())
            add(api.ResponseInProgressEvent, "response.in_progress", response=self.response())
        return self._emitter.taken()

    def opening(self, retrieved: Retrieved) -> list[Frame]:
        """Makes the events before the text."""
        frames = self.begin()
        self._written_by = written_by_of(retrieved)
        if retrieved.search_query is not None:
            self._search(retrieved, retrieved.search_query)
        return frames + self._emitter.taken()

    def event(self, event: Event) -> list[Frame]:
        """Makes the events of one event of the pipeline."""
        match event:
            case TextDelta():
                self._write(event)
            case Thought():
                self._think(event)
            case Called() | Arguments():
                self._call(event)
            case Citation():
                self._annotate(event)
            case Finished():
                self._finish(event)
            case Retrieved():
                return self.opening(event)
        return self._emitter.taken()

    def closing(self) -> list[Frame]:
        """Makes nothing: the last event is that of `Finished`."""
        return []

    def error(self, error: ErrorReply) -> list[Frame]:
        """Says that the response failed."""
        code = "server_error" if error.error.type == "server_error" else "invalid_prompt"
        told = api.ResponseError(code=code, message=error.error.message)  # type: ignore[arg-type]
        return self.end({"status": "failed", "error": told})

    def end(self, state: Mapping[str, Any]) -> list[Frame]:
        """Ends a response that has no end of its own: it failed, or was cancelled."""
        frames = self.begin()
        self._state |= state
        self._emitter.add(api.ResponseFailedEvent, "response.failed", response=self.response())
        return frames + self._emitter.taken()

    def whole(self, answer: Answer) -> RagResponse:
        """Makes the body of a reply that is not streamed."""
        for event in _events(answer):
            self.event(event)
        return self.response()

    def response(self) -> RagResponse:
        """Gives the response as it stands."""
        state: dict[str, Any] = {
            "error": None, "incomplete_details": None, "completed_at": None, "usage": None,
        }  # fmt: skip
        state |= self._state | {"output": list(self._emitter.done)}
        response = RagResponse(**self._head, **state)
        response.created_at = self._head["created_at"]  # whole seconds, as OpenAI sends them
        response.completed_at = self._state.get("completed_at")
        return response

    def _search(self, retrieved: Retrieved, query: str) -> None:
        name = self._emitter.id("fs")
        results = _results(retrieved) if self._with_results else None
        self._emitter.begin(_search_call(name, "in_progress", [], None))
        for stage, model in _SEARCH_STAGES.items():
            kind = f"response.file_search_call.{stage}"
            self._emitter.add(model, kind, item_id=name, output_index=0)
        self._emitter.end(_search_call(name, "completed", [query], results))

    def _message(self) -> OpenMessage:
        if not isinstance(self._open, OpenMessage):
            self._close("completed")
            self._open = OpenMessage(self._emitter, start=self._num_chars)
        return self._open

    def _write(self, delta: TextDelta) -> None:
        if delta.text or delta.tokens:
            self._message().write(delta.text, response_logprobs(delta.tokens))
            self._num_chars += len(delta.text)

    def _think(self, thought: Thought) -> None:
        if not isinstance(self._open, OpenReasoning):
            self._close("completed")
            self._open = OpenReasoning(self._emitter)
        self._open.write(thought.text)

    def _call(self, event: Called | Arguments) -> None:
        if isinstance(event, Called):
            self._close("completed")
            self._open = OpenCall(
                self._emitter, name=event.name, index=event.index, response_id=self._head["id"]
            )
        elif isinstance(self._open, OpenCall):
            self._open.write(event.text)

    def _close(self, status: str) -> None:
        if self._open is not None:
            self._open.close(status)
        self._open = None

    def _annotate(self, citation: Citation) -> None:
        annotation = AnnotationFileCitation(
            type="file_citation",
            file_id=citation.passage.file_id,
            filename=citation.passage.filename,
            index=citation.start,
        )
        self._message().annotate(annotation)

    def _finish(self, finished: Finished) -> None:
        reason = _INCOMPLETE.get(finished.finish_reason)
        status = "incomplete" if reason else "completed"
        if finished.refusal is not None:
            if not isinstance(self._open, OpenMessage):
                self._close(status)
            self._message().refuse(finished.refusal)
        self._close(status)
        self._state = {
            "status": status,
            "incomplete_details": {"reason": reason} if reason else None,
            "completed_at": None if reason else self._clock(),
            "usage": _usage(finished.usage),
        }
        if finished.degraded:
            self._state["degraded"] = list(finished.degraded)
        if self._written_by is not None:
            self._state["written_by"] = self._written_by.model_dump()
        add = self._emitter.add
        if reason:
            add(api.ResponseIncompleteEvent, "response.incomplete", response=self.response())
        else:
            add(api.ResponseCompletedEvent, "response.completed", response=self.response())


def _events(answer: Answer) -> Iterator[Event]:
    yield answer.retrieved
    if answer.thoughts:
        yield Thought(text=answer.thoughts)
    yield TextDelta(text=answer.text, tokens=answer.tokens)
    yield from answer.citations
    for index, (name, arguments) in enumerate(answer.calls):
        yield Called(index=index, name=name)
        yield Arguments(index=index, text=arguments)
    yield answer.finished


def _search_call(
    name: str,
    status: Literal["in_progress", "completed"],
    queries: list[str],
    results: list[Result] | None,
) -> api.ResponseFileSearchToolCall:
    return api.ResponseFileSearchToolCall(
        id=name, type="file_search_call", status=status, queries=queries, results=results
    )


def _results(retrieved: Retrieved) -> list[Result]:
    return [
        Result(
            file_id=passage.file_id,
            filename=passage.filename,
            score=passage.score,
            text=passage.text,
            attributes=dict(passage.attributes),
        )
        for passage in retrieved.passages
    ]


def _usage(usage: Usage) -> api.ResponseUsage:
    return api.ResponseUsage(
        input_tokens=usage.num_prompt_tokens,
        input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
        output_tokens=usage.num_completion_tokens,
        output_tokens_details=OutputTokensDetails(reasoning_tokens=usage.num_reasoning_tokens),
        total_tokens=usage.num_prompt_tokens + usage.num_completion_tokens,
    )
