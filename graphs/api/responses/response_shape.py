"""The pipeline's events as an OpenAI response: whole, and as the events of its stream.

    Retrieved    created, in_progress; with a search: output_item.added,
                 file_search_call.in_progress, .searching, .completed, output_item.done
    TextDelta    with the first: output_item.added, content_part.added; output_text.delta
    Citation     output_text.annotation.added
    Finished     output_text.done, content_part.done, output_item.done; completed or incomplete

All of it is a pure function of the events, the `sequence_number`s too: whoever has the events can
send the stream again from any of them.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from openai.types import responses as api
from openai.types.responses.response_file_search_tool_call import Result
from openai.types.responses.response_output_text import AnnotationFileCitation
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import BaseModel

from graphs.api.border.sse import Frame
from graphs.api.chat.logprobs import response_logprobs
from graphs.api.chat.reply import Answer
from graphs.api.error_replies import ErrorReply
from graphs.pipeline.events import Citation, Event, Finished, Retrieved, TextDelta, Usage
from models.generation import WrittenToken

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
    """A response with our extension: what was left out because it failed."""

    degraded: list[str] | None = None


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
        self._starting_after = starting_after
        self._next_number = 0
        self._frames: list[Frame] = []
        self._state: dict[str, Any] = {"status": "in_progress"}
        self._done: list[BaseModel] = []
        self._text: str | None = None
        self._annotations: list[AnnotationFileCitation] = []
        self._tokens: list[WrittenToken] = []

    def begin(self) -> list[Frame]:
        """Makes the events before anything was found; the first call alone makes any."""
        if self._next_number == 0:
            self._add(api.ResponseCreatedEvent, "response.created", response=self.response())
            self._add(api.ResponseInProgressEvent, "response.in_progress", response=self.response())
        return self._taken()

    def opening(self, retrieved: Retrieved) -> list[Frame]:
        """Makes the events before the text."""
        frames = self.begin()
        if retrieved.search_query is not None:
            self._search(retrieved, retrieved.search_query)
        return frames + self._taken()

    def event(self, event: Event) -> list[Frame]:
        """Makes the events of one event of the pipeline."""
        match event:
            case TextDelta():
                self._delta(event)
            case Citation():
                self._annotate(event)
            case Finished():
                self._finish(event)
            case Retrieved():
                return self.opening(event)
        return self._taken()

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
        self._add(api.ResponseFailedEvent, "response.failed", response=self.response())
        return frames + self._taken()

    def whole(self, answer: Answer) -> RagResponse:
        """Makes the body of a reply that is not streamed."""
        text = TextDelta(text=answer.text, tokens=answer.tokens)
        events: tuple[Event, ...] = (answer.retrieved, text, *answer.citations, answer.finished)
        for event in events:
            self.event(event)
        return self.response()

    def response(self) -> RagResponse:
        """Gives the response as it stands."""
        state: dict[str, Any] = {
            "error": None, "incomplete_details": None, "completed_at": None, "usage": None,
        }  # fmt: skip
        state |= self._state | {"output": list(self._done)}
        response = RagResponse(**self._head, **state)
        response.created_at = self._head["created_at"]  # whole seconds, as OpenAI sends them
        response.completed_at = self._state.get("completed_at")
        return response

    def _search(self, retrieved: Retrieved, query: str) -> None:
        name = self._id("fs")
        results = _results(retrieved) if self._with_results else None
        self._item("added", _search_call(name, "in_progress", [], None))
        for stage, model in _SEARCH_STAGES.items():
            kind = f"response.file_search_call.{stage}"
            self._add(model, kind, item_id=name, output_index=0)
        self._item("done", _search_call(name, "completed", [query], results))

    def _delta(self, delta: TextDelta) -> None:
        if not (delta.text or delta.tokens):
            return
        self._tokens += delta.tokens
        if self._text is None:
            self._text = ""
            self._item("added", self._message("in_progress", []))
            part = api.ResponseOutputText(type="output_text", text="", annotations=[], logprobs=[])
            self._add(
                api.ResponseContentPartAddedEvent, "response.content_part.added",
                part=part, **self._place(0),
            )  # fmt: skip
        self._text += delta.text
        self._add(
            api.ResponseTextDeltaEvent, "response.output_text.delta",
            delta=delta.text, logprobs=response_logprobs(delta.tokens), **self._place(0),
        )  # fmt: skip

    def _annotate(self, citation: Citation) -> None:
        annotation = AnnotationFileCitation(
            type="file_citation",
            file_id=citation.passage.file_id,
            filename=citation.passage.filename,
            index=citation.start,
        )
        self._annotations.append(annotation)
        self._add(
            api.ResponseOutputTextAnnotationAddedEvent, "response.output_text.annotation.added",
            annotation=annotation.model_dump(), annotation_index=len(self._annotations) - 1,
            **self._place(0),
        )  # fmt: skip

    def _finish(self, finished: Finished) -> None:
        reason = _INCOMPLETE.get(finished.finish_reason)
        parts: list[BaseModel] = []
        if self._text is not None:
            told = {"text": self._text, "logprobs": response_logprobs(self._tokens)}
            of_text = {"type": "output_text", "annotations": list(self._annotations)}
            part = api.ResponseOutputText.model_validate(told | of_text)
            kind = "response.output_text.done"
            self._add(api.ResponseTextDoneEvent, kind, **told, **self._place(0))
            self._part_done(part, 0)
            parts.append(part)
        if finished.refusal is not None:
            parts.append(self._refuse(finished.refusal, len(parts)))
        if parts:
            self._item("done", self._message("incomplete" if reason else "completed", parts))
        self._state = {
            "status": "incomplete" if reason else "completed",
            "incomplete_details": {"reason": reason} if reason else None,
            "completed_at": None if reason else self._clock(),
            "usage": _usage(finished.usage),
        }
        if finished.degraded:
            self._state["degraded"] = list(finished.degraded)
        if reason:
            self._add(api.ResponseIncompleteEvent, "response.incomplete", response=self.response())
        else:
            self._add(api.ResponseCompletedEvent, "response.completed", response=self.response())

    def _refuse(self, refusal: str, index: int) -> api.ResponseOutputRefusal:
        place = self._place(index)
        if index == 0:
            self._item("added", self._message("in_progress", []))
        empty = api.ResponseOutputRefusal(type="refusal", refusal="")
        self._add(
            api.ResponseContentPartAddedEvent, "response.content_part.added", part=empty, **place
        )
        self._add(api.ResponseRefusalDeltaEvent, "response.refusal.delta", delta=refusal, **place)
        self._add(api.ResponseRefusalDoneEvent, "response.refusal.done", refusal=refusal, **place)
        part = api.ResponseOutputRefusal(type="refusal", refusal=refusal)
        self._part_done(part, index)
        return part

    def _part_done(self, part: BaseModel, index: int) -> None:
        self._add(
            api.ResponseContentPartDoneEvent, "response.content_part.done",
            part=part, **self._place(index),
        )  # fmt: skip

    def _item(self, what: str, item: BaseModel) -> None:
        place = len(self._done)
        if what == "added":
            event: type[BaseModel] = api.ResponseOutputItemAddedEvent
        else:
            event = api.ResponseOutputItemDoneEvent
            self._done.append(item)
        self._add(event, f"response.output_item.{what}", item=item, output_index=place)

    def _message(self, status: str, content: Sequence[BaseModel]) -> api.ResponseOutputMessage:
        fields: dict[str, Any] = {"status": status, "content": list(content)}
        return api.ResponseOutputMessage(
            id=self._id("msg"), type="message", role="assistant", **fields
        )

    def _place(self, content_index: int) -> dict[str, Any]:
        return {
            "item_id": self._id("msg"),
            "output_index": len(self._done),
            "content_index": content_index,
        }

    def _id(self, kind: str) -> str:
        """Names an item of this response, the same each time that the response is made."""
        return f"{kind}_{hashlib.sha256(self._head['id'].encode()).hexdigest()[:32]}"

    def _add(self, model: type[BaseModel], name: str, **fields: Any) -> None:
        number, self._next_number = self._next_number, self._next_number + 1
        if number > self._starting_after:
            event = model(type=name, sequence_number=number, **fields)
            self._frames.append(Frame(data=event, event=name))

    def _taken(self) -> list[Frame]:
        frames, self._frames = self._frames, []
        return frames


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
        output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
        total_tokens=usage.num_prompt_tokens + usage.num_completion_tokens,
    )
