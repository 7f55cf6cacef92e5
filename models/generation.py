"""The data that goes into and comes out of a generator, and the protocol of its engines.

Engines speak token ids, in and out: a stream can then go on elsewhere from the ids delivered.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from models.chat.reply import ReplyForm
from models.chat.tools import ToolUse
from models.constraints import Constraint, ConstraintKind, TokenMask
from models.constraints import Sampling as Sampling  # noqa: PLC0414  # stands in requests
from models.errors import InvalidInputError
from models.identity import ModelIdentity

StopReason = Literal["stop", "length"]
Role = Literal["system", "developer", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


@dataclass(frozen=True, kw_only=True)
class TextPart:
    """A part of a message that is text."""

    text: str


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """A function that the assistant calls.

    Attributes:
        id: names the call; its result refers to it.
        arguments: a JSON object, as text.
    """

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """One turn of a chat.

    Attributes:
        content: a text, or parts; `text` reads both.
        tool_calls: what an assistant's turn calls.
        tool_call_id: the call whose result a tool's turn is.
        thoughts: what a reasoning model thought before this turn.
    """

    role: Role
    content: str | tuple[TextPart, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    thoughts: str = ""

    def __post_init__(self) -> None:
        """Checks that calls and results stand in the turns that may hold them."""
        if self.tool_calls and self.role != "assistant":
            msg = f"tool_calls stand in a turn of the assistant, got one of {self.role}"
            raise InvalidInputError(msg)
        if (self.tool_call_id is not None) != (self.role == "tool"):
            msg = "tool_call_id stands in every turn of a tool and in no other, got "
            raise InvalidInputError(f"{msg}{self.tool_call_id!r} in one of {self.role}")

    @property
    def text(self) -> str:
        """All text; parts are joined by line breaks."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(part.text for part in self.content)


@dataclass(frozen=True, kw_only=True)
class TokenLogprob:
    """How likely a token was, before penalties, biases, masks and temperature.

    Attributes:
        logprob: natural logarithm of its probability.
        top: the likeliest ids at its place and theirs, likeliest first.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Likely:
    """A token that might have stood somewhere.

    Attributes:
        raw: its bytes, UTF-8; a token may be a part of a character.
        logprob: natural logarithm of its probability before penalties, biases, masks and
            temperature.
    """

    raw: bytes
    logprob: float


@dataclass(frozen=True, kw_only=True)
class WrittenToken(Likely):
    """A token of an answer.

    Attributes:
        num_chars: characters of the decoded text that it completes; 0 within a character.
        top: the likeliest tokens at its place, likeliest first.
    """

    num_chars: int
    top: tuple[Likely, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """One answer to be written.

    Attributes:
        request_id: appears in the logs.
        messages: the chat, oldest first.
        constraint: what the answer is held to; None: it is free.
        tools: what it may call; an answer is held to the form of calls by them.
        effort: how long a reasoning model may think; None: as it is used to.
        delivered_token_ids: ids of this answer that the reader has already; the stream goes on
            after them.
        num_delivered_chars: characters of the text that came with those ids; text lags behind ids,
            and how far depends on how they were cut into chunks.
        attempt: counts the streams of this answer from 0; stands on all its chunks.
        identity: digest of the model that has to go on with this answer; None: any may.
        adapter: the name of the LoRA adapter that writes it; empty: the model itself.
        chat: names the chat that it belongs to, whose requests begin alike; empty: none.
    """

    request_id: str
    messages: tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    constraint: Constraint | None = None
    tools: ToolUse | None = None
    effort: Effort | None = None
    delivered_token_ids: tuple[int, ...] = ()
    num_delivered_chars: int = 0
    attempt: int = 0
    identity: str | None = None
    adapter: str = ""
    chat: str = ""


@dataclass(frozen=True, kw_only=True)
class GenerationChunk:
    """The next piece of an answer.

    Attributes:
        position: index in the answer of the first of `token_ids`.
        token_ids: the new ids, without the end-of-sequence id.
        text: the new text; may lag behind the ids (half a character, half a stop string).
        finish_reason: set on the last chunk only.
        attempt: the request's.
        identity: digest of the model that wrote it.
        replica: the process that has taken the request, on the first chunk; empty where none asks.
        model: the id of its model, for people, likewise.
        writer: the generator that the graph chose; set there.
        moved_by: code of the error by which the attempt before ended, on the first chunk.
        tokens: `token_ids` with their probabilities, where they were asked for.
        form: what its text, and that of all that follow, consists of; on the first chunk with text.
    """

    position: int
    token_ids: tuple[int, ...]
    text: str
    finish_reason: StopReason | None
    num_prompt_tokens: int
    attempt: int = 0
    identity: str = ""
    replica: str = ""
    moved_by: str = ""
    tokens: tuple[WrittenToken, ...] = ()
    form: ReplyForm | None = None
    model: str = ""
    writer: str = ""


@dataclass(frozen=True, kw_only=True)
class GeneratorProfile:
    """What the graph needs to pack a prompt by itself: `models.token_counter` counts with it.

    Attributes:
        identity: the model that it is of.
        tokenizer_json: the tokenizer, as the package `tokenizers` reads it.
        special_tokens: the model's control tokens, which a text must not hold as such.
        context_tokens: most tokens of prompt and answer together.
        max_answer_tokens: tokens kept for the answer, fewer when the request wants fewer.
        adapters: digests of the model with each of its adapters, which all count alike.
    """

    identity: ModelIdentity
    tokenizer_json: str
    special_tokens: tuple[str, ...]
    context_tokens: int
    max_answer_tokens: int
    adapters: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EngineRequest:
    """A prompt as an engine sees it; every value is settled.

    Attributes:
        prompt_ids: prompt and the ids delivered so far.
        answer_start: where in them the answer begins.
        seed: used when the temperature is above 0.
        mask: what may come next; None: every id.
        sampling: as it was asked; of what is settled in a field above, that one counts.
        adapter: digest of the adapter's files; empty: the model itself.
    """

    prompt_ids: tuple[int, ...]
    answer_start: int
    max_tokens: int
    temperature: float
    top_p: float
    top_k: int
    seed: int
    mask: TokenMask | None = None
    sampling: Sampling = field(default_factory=Sampling)
    adapter: str = ""

    def end_ids(self, model_end_ids: Iterable[int]) -> frozenset[int]:
        """Gives the ids that end the answer."""
        ends = () if self.sampling.ignore_eos else model_end_ids
        return frozenset((*ends, *self.sampling.stop_token_ids))


@dataclass(frozen=True, kw_only=True)
class EngineStep:
    """Ids that an engine decoded since its last step, without the id that ends the answer.

    Attributes:
        logprobs: of `token_ids`, one each, where they were asked for.
    """

    token_ids: tuple[int, ...]
    finish_reason: StopReason | None
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EngineStats:
    """How full an engine is now, and sums since it was loaded.

    Attributes:
        num_running: requests that are decoded.
        num_waiting: requests that wait for a slot or for room in the KV cache.
        cache_use: share of the KV cache that requests hold, 0 to 1.
        num_prefix_asked: tokens of prompts that were looked up in the prefix cache.
        num_prefix_found: those of them that were there.
        num_preempted: times that a request gave its cache to another one and began anew.
        num_drafted, num_accepted: tokens that were drafted; those that the model took.
    """

    num_running: int
    num_waiting: int
    cache_use: float
    num_prefix_asked: int
    num_prefix_found: int
    num_preempted: int
    num_drafted: int = 0
    num_accepted: int = 0


class GenerationEngine(Protocol):
    """Decodes many requests at once.

    Attributes:
        constraints: the kinds that its answers can be held to.
        unserved: what of `Sampling`, `constraint` and `tools` it refuses, and why.
    """

    constraints: frozenset[ConstraintKind]
    unserved: Mapping[str, str]

    def generate(self, request: EngineRequest) -> AsyncGenerator[EngineStep, None]:
        """Decodes one request; closing the iterator frees its slot.

        Raises:
            EngineStoppedError: the engine died or was closed.
        """

    def check(self) -> None:
        """Raises EngineStoppedError when no request could be decoded."""

    def stats(self) -> EngineStats:
        """Tells how full it is."""

    def close(self) -> None:
        """Ends every request and frees the memory; may be called twice."""
