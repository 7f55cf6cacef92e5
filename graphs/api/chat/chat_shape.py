"""The pipeline's events as OpenAI chat objects: the completion, and the chunks of a stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openai.types.chat.chat_completion import ChatCompletion
from openai.types.chat.chat_completion import Choice as CompletionChoice
from openai.types.chat.chat_completion_chunk import (
    ChatCompletionChunk,
    ChoiceDelta,
    ChoiceDeltaToolCall,
    ChoiceDeltaToolCallFunction,
    ChoiceLogprobs,
)
from openai.types.chat.chat_completion_chunk import Choice as ChunkChoice
from openai.types.chat.chat_completion_message import Annotation, ChatCompletionMessage
from openai.types.completion_usage import CompletionTokensDetails, CompletionUsage

from graphs.api.border.sse import Frame
from graphs.api.chat.citations import (
    Context,
    SearchResult,
    annotation_of,
    context_of,
    search_results_of,
)
from graphs.api.chat.debug import debug_of, debug_of_move
from graphs.api.chat.logprobs import chat_logprobs
from graphs.api.chat.reply import Answer, call_id
from graphs.api.chat.writer import WrittenBy, written_by_of
from graphs.api.error_replies import ErrorReply
from graphs.pipeline.events import (
    Arguments,
    Called,
    Citation,
    Event,
    Finished,
    FinishReason,
    Moved,
    Retrieved,
    TextDelta,
    Thought,
    Usage,
    choice_of,
)
from index.catalog.keys.records import ServiceClass
from models.generation import WrittenToken


class RagMessage(ChatCompletionMessage):
    """An answer with the passages that it stands on."""

    context: Context | None = None
    reasoning_content: str | None = None


class RagDelta(ChoiceDelta):
    """A piece of such an answer."""

    annotations: list[Annotation] | None = None
    context: Context | None = None
    reasoning_content: str | None = None


class RagCompletion(ChatCompletion):
    """A completion with our extensions."""

    search_results: list[SearchResult] | None = None
    degraded: list[str] | None = None
    written_by: WrittenBy | None = None
    rag: dict[str, Any] | None = None


class RagChunk(ChatCompletionChunk):
    """A chunk with our extensions, which stand on the chunk that carries the finish reason.

    An answer that moves says so at once, where `debug` is asked for: a chunk without choices.
    """

    search_results: list[SearchResult] | None = None
    degraded: list[str] | None = None
    written_by: WrittenBy | None = None
    rag: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class ReplyHead:
    """What all chunks of one reply share.

    Attributes:
        is_rag: whether passages are shown at all (not for the bare generator).
        include_usage: whether a stream ends with the usage.
        debug: whether timings and the search query are shown.
        num_choices: how many answers there are.
        logprobs: whether the probabilities of tokens are told.
        tier: the class that it was served in, where the request asks for one.
    """

    id: str
    created: int
    model: str
    is_rag: bool
    include_usage: bool
    debug: bool
    num_choices: int = 1
    logprobs: bool = False
    tier: ServiceClass | None = None


class ChatShape:
    """A chat completion, or the chunks of one. See `graphs.api.chat.reply.ReplyShape`."""

    def __init__(self, head: ReplyHead) -> None:
        self._head = head
        self._retrieved = Retrieved(passages=(), search_query=None, timings=())
        self._on_every_chunk: dict[str, Any] = {}
        self._index = 0
        self._usages: list[Usage] = []

    def opening(self, retrieved: Retrieved) -> list[Frame]:
        """Makes the first chunk: the role, and the passages."""
        self._retrieved = retrieved
        self._on_every_chunk = _names(self._head, retrieved) | {"object": "chat.completion.chunk"}
        if self._head.include_usage:  # then null stands on every chunk but the last, else on none
            self._on_every_chunk["usage"] = None
        delta = RagDelta(role="assistant", content="")
        if self._head.is_rag:
            delta = RagDelta(role="assistant", content="", context=context_of(retrieved))
        first = self._piece(delta)
        return [first, *(self._role(index) for index in range(1, self._head.num_choices))]

    def event(self, event: Event) -> list[Frame]:
        """Makes the chunks of one event."""
        self._index, event = choice_of(event)
        match event:
            case TextDelta():
                return self._text(event)
            case Citation() | Thought() | Called() | Arguments():
                return [self._piece(self._delta(event))]
            case Moved():
                told = debug_of_move(event)
                return [Frame(data=RagChunk(choices=[], rag=told, **self._on_every_chunk))]
            case Finished():
                return self._last_chunks(event)
            case _:
                return []

    def closing(self) -> list[Frame]:
        """Says that the stream is complete."""
        return [Frame(data="[DONE]")]

    def error(self, error: ErrorReply) -> list[Frame]:
        """Sends the error in the place of a chunk, as OpenAI does."""
        return [Frame(data=error)]

    def whole(self, answer: Answer) -> RagCompletion:
        """Makes the reply to a request that does not stream."""
        answers = (answer, *answer.others)
        return RagCompletion(
            object="chat.completion",
            choices=[self._whole_choice(index, one) for index, one in enumerate(answers)],
            usage=_usage([one.finished.usage for one in answers]),
            **_names(self._head, answer.retrieved),
            **_extensions(self._head, answer.retrieved, answers[-1].finished),
        )

    def _whole_choice(self, index: int, answer: Answer) -> CompletionChoice:
        message: dict[str, Any] = {
            "role": "assistant",
            "content": answer.text or (None if answer.calls else ""),
            "refusal": answer.finished.refusal,
        }
        if answer.thoughts:
            message["reasoning_content"] = answer.thoughts
        if answer.calls:
            message["tool_calls"] = [
                {
                    "id": self._call_id(index, at),
                    "type": "function",
                    "function": {"name": name, "arguments": arguments},
                }
                for at, (name, arguments) in enumerate(answer.calls)
            ]
        if answer.citations:
            message["annotations"] = [annotation_of(citation) for citation in answer.citations]
        if self._head.is_rag:
            message["context"] = context_of(answer.retrieved)
        return CompletionChoice(
            index=index,
            message=RagMessage(**message),
            logprobs=chat_logprobs(answer.tokens) if self._head.logprobs else None,
            finish_reason=answer.finished.finish_reason,
        )

    def _call_id(self, choice: int, call: int) -> str:
        """Names a call, the same each time that the reply is made."""
        return call_id(self._head.id, f"{choice}/{call}")

    def _call_piece(self, event: Called | Arguments) -> ChoiceDeltaToolCall:
        if isinstance(event, Arguments):
            function = ChoiceDeltaToolCallFunction(arguments=event.text)
            return ChoiceDeltaToolCall(index=event.index, function=function)
        function = ChoiceDeltaToolCallFunction(name=event.name, arguments="")
        name = self._call_id(self._index, event.index)
        return ChoiceDeltaToolCall(index=event.index, id=name, type="function", function=function)

    def _delta(self, event: Citation | Thought | Called | Arguments) -> RagDelta:
        if isinstance(event, Citation):
            return RagDelta(annotations=[annotation_of(event)])
        if isinstance(event, Thought):
            return RagDelta(reasoning_content=event.text)
        return RagDelta(tool_calls=[self._call_piece(event)])

    def _role(self, index: int) -> Frame:
        """Opens another answer; the passages stand on the first."""
        self._index = index
        return self._piece(RagDelta(role="assistant", content=""))

    def _text(self, delta: TextDelta) -> list[Frame]:
        if not (delta.text or delta.tokens):
            return []
        return [self._piece(RagDelta(content=delta.text), delta.tokens)]

    def _last_chunks(self, finished: Finished) -> list[Frame]:
        frames = []
        if finished.refusal is not None:
            frames.append(self._piece(RagDelta(refusal=finished.refusal)))
        extensions = _extensions(self._head, self._retrieved, finished)
        choice = self._choice(RagDelta(), finish_reason=finished.finish_reason)
        self._usages.append(finished.usage)
        is_last = len(self._usages) == self._head.num_choices
        last = RagChunk(choices=[choice], **self._on_every_chunk, **(extensions if is_last else {}))
        frames.append(Frame(data=last))
        if self._head.include_usage and is_last:
            fields = self._on_every_chunk | {"usage": _usage(self._usages)}
            frames.append(Frame(data=RagChunk(choices=[], **fields)))
        return frames

    def _piece(self, delta: RagDelta, tokens: Sequence[WrittenToken] = ()) -> Frame:
        choice = self._choice(delta, tokens=tokens)
        return Frame(data=RagChunk(choices=[choice], **self._on_every_chunk))

    def _choice(
        self,
        delta: RagDelta,
        *,
        tokens: Sequence[WrittenToken] = (),
        finish_reason: FinishReason | None = None,
    ) -> ChunkChoice:
        told = chat_logprobs(tokens).model_dump() if tokens and self._head.logprobs else None
        return ChunkChoice(
            index=self._index,
            delta=delta,
            logprobs=None if told is None else ChoiceLogprobs(**told),
            finish_reason=finish_reason,
        )


def _names(head: ReplyHead, retrieved: Retrieved) -> dict[str, Any]:
    """Gives what says, on a completion and on every chunk of one, which reply it is."""
    names: dict[str, Any] = {"id": head.id, "created": head.created, "model": head.model}
    if head.tier is not None:
        names["service_tier"] = head.tier
    if retrieved.identity:  # with another one, the same seed may give another answer
        names["system_fingerprint"] = f"fp_{retrieved.identity}"
    return names


def _usage(usages: Sequence[Usage]) -> CompletionUsage:
    """Adds up what the answers cost; all of them have read the same prompt."""
    num_prompt = max(usage.num_prompt_tokens for usage in usages)
    num_written = sum(usage.num_completion_tokens for usage in usages)
    told = CompletionUsage(
        prompt_tokens=num_prompt,
        completion_tokens=num_written,
        total_tokens=num_prompt + num_written,
    )
    if num_thought := sum(usage.num_reasoning_tokens for usage in usages):
        told.completion_tokens_details = CompletionTokensDetails(reasoning_tokens=num_thought)
    return told


def _extensions(head: ReplyHead, retrieved: Retrieved, finished: Finished) -> dict[str, Any]:
    extensions: dict[str, Any] = {}
    if head.is_rag:
        extensions["search_results"] = search_results_of(retrieved.passages)
    if finished.degraded:
        extensions["degraded"] = list(finished.degraded)
    if (writer := written_by_of(retrieved)) is not None:
        extensions["written_by"] = writer
    if head.debug:
        extensions["rag"] = debug_of(retrieved, finished)
    return extensions
