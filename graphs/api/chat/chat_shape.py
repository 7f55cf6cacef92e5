"""The pipeline's events as OpenAI chat objects: the completion, and the chunks of a stream."""

from dataclasses import dataclass
from typing import Any

from openai.types.chat.chat_completion import ChatCompletion
from openai.types.chat.chat_completion import Choice as CompletionChoice
from openai.types.chat.chat_completion_chunk import ChatCompletionChunk, ChoiceDelta
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_message import Annotation, ChatCompletionMessage
from openai.types.completion_usage import CompletionUsage

from graphs.api.border.sse import Frame
from graphs.api.chat.citations import (
    Context,
    SearchResult,
    annotation_of,
    context_of,
    search_results_of,
)
from graphs.api.chat.reply import Answer
from graphs.api.error_replies import ErrorReply
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


class ChatShape:
    """A chat completion, or the chunks of one. See `graphs.api.chat.reply.ReplyShape`."""

    def __init__(self, head: ReplyHead) -> None:
        self._head = head
        self._retrieved = Retrieved(passages=(), search_query=None, timings=())
        self._on_every_chunk: dict[str, Any] = {}

    def opening(self, retrieved: Retrieved) -> list[Frame]:
        """Makes the first chunk: the role, and the passages."""
        self._retrieved = retrieved
        self._on_every_chunk = _names(self._head, retrieved) | {"object": "chat.completion.chunk"}
        if self._head.include_usage:  # then null stands on every chunk but the last, else on none
            self._on_every_chunk["usage"] = None
        delta = RagDelta(role="assistant", content="")
        if self._head.is_rag:
            delta = RagDelta(role="assistant", content="", context=context_of(retrieved))
        return [self._piece(delta)]

    def event(self, event: Event) -> list[Frame]:
        """Makes the chunks of one event."""
        match event:
            case TextDelta():
                return [self._piece(RagDelta(content=event.text))] if event.text else []
            case Citation():
                return [self._piece(RagDelta(annotations=[annotation_of(event)]))]
            case Finished():
                return self._last_chunks(event)
            case Retrieved():
                return []

    def closing(self) -> list[Frame]:
        """Says that the stream is complete."""
        return [Frame(data="[DONE]")]

    def error(self, error: ErrorReply) -> list[Frame]:
        """Sends the error in the place of a chunk, as OpenAI does."""
        return [Frame(data=error)]

    def whole(self, answer: Answer) -> RagCompletion:
        """Makes the reply to a request that does not stream."""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text,
            "refusal": answer.finished.refusal,
        }
        if answer.citations:
            message["annotations"] = [annotation_of(citation) for citation in answer.citations]
        if self._head.is_rag:
            message["context"] = context_of(answer.retrieved)
        choice = CompletionChoice(
            index=0,
            message=RagMessage(**message),
            logprobs=None,
            finish_reason=answer.finished.finish_reason,
        )
        return RagCompletion(
            object="chat.completion",
            choices=[choice],
            usage=_usage(answer.finished.usage),
            **_names(self._head, answer.retrieved),
            **_extensions(self._head, answer.retrieved, answer.finished),
        )

    def _last_chunks(self, finished: Finished) -> list[Frame]:
        frames = []
        if finished.refusal is not None:
            frames.append(self._piece(RagDelta(refusal=finished.refusal)))
        extensions = _extensions(self._head, self._retrieved, finished)
        choice = _choice(RagDelta(), finished.finish_reason)
        last = RagChunk(choices=[choice], **self._on_every_chunk, **extensions)
        frames.append(Frame(data=last))
        if self._head.include_usage:
            fields = self._on_every_chunk | {"usage": _usage(finished.usage)}
            frames.append(Frame(data=RagChunk(choices=[], **fields)))
        return frames

    def _piece(self, delta: RagDelta) -> Frame:
        return Frame(data=RagChunk(choices=[_choice(delta)], **self._on_every_chunk))


def _choice(delta: RagDelta, finish_reason: FinishReason | None = None) -> ChunkChoice:
    return ChunkChoice(index=0, delta=delta, logprobs=None, finish_reason=finish_reason)


def _names(head: ReplyHead, retrieved: Retrieved) -> dict[str, Any]:
    """Gives what says, on a completion and on every chunk of one, which reply it is."""
    names: dict[str, Any] = {"id": head.id, "created": head.created, "model": head.model}
    if retrieved.identity:  # with another one, the same seed may give another answer
        names["system_fingerprint"] = f"fp_{retrieved.identity}"
    return names


def _usage(usage: Usage) -> CompletionUsage:
    return CompletionUsage(
        prompt_tokens=usage.num_prompt_tokens,
        completion_tokens=usage.num_completion_tokens,
        total_tokens=usage.num_prompt_tokens + usage.num_completion_tokens,
    )


def _extensions(head: ReplyHead, retrieved: Retrieved, finished: Finished) -> dict[str, Any]:
    extensions: dict[str, Any] = {}
    if head.is_rag:
        extensions["search_results"] = search_results_of(retrieved.passages)
    if finished.degraded:
        extensions["degraded"] = list(finished.degraded)
    if head.debug:
        extensions["rag"] = {
            "search_query": retrieved.search_query,
            "num_migrations": finished.num_migrations,
            "timings": {time.stage: round(time.latency_ms, 1) for time in finished.timings},
            "generated": [
                {
                    "stage": one.stage,
                    "prompt_tokens": one.num_prompt_tokens,
                    "completion_tokens": one.num_completion_tokens,
                }
                for one in finished.generated
            ],
        }
    return extensions
