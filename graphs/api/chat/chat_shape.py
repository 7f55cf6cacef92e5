"""The pipeline's events as OpenAI chat objects: the completion, and the chunks of a stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from openai.types.chat.chat_completion import ChatCompletion
from openai.types.chat.chat_completion import Choice as CompletionChoice
from openai.types.chat.chat_completion_chunk import ChatCompletionChunk, ChoiceDelta
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_message import Annotation, ChatCompletionMessage
from openai.types.completion_usage import CompletionUsage

from graphs.api.chat.citations import (
    Context,
    SearchResult,
    annotation_of,
    context_of,
    search_results_of,
)
from graphs.pipeline.events import (
    Citation,
    Event,
    Finished,
    FinishReason,
    Retrieved,
    TextDelta,
    Usage,
)


class RagMessage(ChatCompletionMessage):
    """An answer with the passages that it stands on."""

    context: Context | None = None


class RagDelta(ChoiceDelta):
    """A piece of such an answer."""

    annotations: list[Annotation] | None = None
    context: Context | None = None


class RagCompletion(ChatCompletion):
    """A completion with our extensions."""

    search_results: list[SearchResult] | None = None
    degraded: list[str] | None = None
    rag: dict[str, Any] | None = None


class RagChunk(ChatCompletionChunk):
    """A chunk with our extensions, which stand on the chunk that carries the finish reason."""

    search_results: list[SearchResult] | None = None
    degraded: list[str] | None = None
    rag: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ReplyHead:
    """What all chunks of one reply share.

    Attributes:
        is_rag: whether passages are shown at all (not for the bare generator).
        include_usage: whether a stream ends with the usage.
        debug: whether timings and the search query are shown.
    """

    id: str
    created: int
    model: str
    is_rag: bool
    include_usage: bool
    debug: bool


@dataclass
class Answer:
    """What has come out of the pipeline so far."""

    retrieved: Retrieved | None = None
    pieces: list[str] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    finished: Finished | None = None

    def add(self, event: Event) -> None:
        """Takes the next event."""
        match event:
            case Retrieved():
                self.retrieved = event
            case TextDelta():
                self.pieces.append(event.text)
            case Citation():
                self.annotations.append(annotation_of(event))
            case Finished():
                self.finished = event

    def end(self) -> Finished:
        """Gives the last event.

        Raises:
            RuntimeError: the pipeline ended without one, which is a bug in it.
        """
        if self.finished is None:
            msg = "the pipeline ended without a Finished event"
            raise RuntimeError(msg)
        return self.finished


def completion_of(head: ReplyHead, answer: Answer) -> RagCompletion:
    """Makes the reply to a request that does not stream."""
    finished = answer.end()
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(answer.pieces),
        "refusal": finished.refusal,
    }
    if answer.annotations:
        message["annotations"] = answer.annotations
    if head.is_rag and answer.retrieved is not None:
        message["context"] = context_of(answer.retrieved)
    choice = CompletionChoice(
        index=0,
        message=RagMessage(**message),
        logprobs=None,
        finish_reason=finished.finish_reason,
    )
    return RagCompletion(
        id=head.id,
        object="chat.completion",
        created=head.created,
        model=head.model,
        choices=[choice],
        usage=_usage(finished.usage),
        **_extensions(head, answer.retrieved, finished),
    )


def opening_chunk(head: ReplyHead, retrieved: Retrieved | None) -> RagChunk:
    """Makes the first chunk: the role, and the passages."""
    delta = RagDelta(role="assistant", content="")
    if head.is_rag and retrieved is not None:
        delta = RagDelta(role="assistant", content="", context=context_of(retrieved))
    return _chunk(head, delta)


def event_chunks(head: ReplyHead, event: Event, retrieved: Retrieved | None) -> list[RagChunk]:
    """Makes the chunks of one event."""
    match event:
        case TextDelta():
            return [_chunk(head, RagDelta(content=event.text))] if event.text else []
        case Citation():
            return [_chunk(head, RagDelta(annotations=[annotation_of(event)]))]
        case Finished():
            return _closing_chunks(head, event, retrieved)
        case Retrieved():
            return []


def _closing_chunks(
    head: ReplyHead, finished: Finished, retrieved: Retrieved | None
) -> list[RagChunk]:
    chunks = []
    if finished.refusal is not None:
        chunks.append(_chunk(head, RagDelta(refusal=finished.refusal)))
    extensions = _extensions(head, retrieved, finished)
    chunks.append(_chunk(head, RagDelta(), finish_reason=finished.finish_reason, **extensions))
    if head.include_usage:
        chunks.append(_bare_chunk(head, [], {"usage": _usage(finished.usage)}))
    return chunks


def _chunk(
    head: ReplyHead,
    delta: RagDelta,
    *,
    finish_reason: FinishReason | None = None,
    **extensions: Any,
) -> RagChunk:
    choice = ChunkChoice(index=0, delta=delta, logprobs=None, finish_reason=finish_reason)
    # "usage": null stands on every chunk if a usage was asked for, and on none otherwise.
    usage = {"usage": None} if head.include_usage else {}
    return _bare_chunk(head, [choice], {**usage, **extensions})


def _bare_chunk(head: ReplyHead, choices: list[ChunkChoice], fields: Mapping[str, Any]) -> RagChunk:
    return RagChunk(
        id=head.id,
        object="chat.completion.chunk",
        created=head.created,
        model=head.model,
        choices=choices,
        **fields,
    )


def _usage(usage: Usage) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=usage.num_prompt_tokens,
        completion_tokens=usage.num_completion_tokens,
        total_tokens=usage.num_prompt_tokens + usage.num_completion_tokens,
    )


def _extensions(head: ReplyHead, retrieved: Retrieved | None, finished: Finished) -> dict[str, Any]:
    extensions: dict[str, Any] = {}
    if head.is_rag and retrieved is not None:
        extensions["search_results"] = search_results_of(retrieved.passages)
    if finished.degraded:
        extensions["degraded"] = list(finished.degraded)
    if head.debug:
        extensions["rag"] = {
            "search_query": retrieved.search_query if retrieved else None,
            "num_migrations": finished.num_migrations,
            "timings": {time.stage: round(time.latency_ms, 1) for time in finished.timings},
        }
    return extensions
