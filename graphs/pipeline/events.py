"""What goes into the RAG pipeline and what comes out of it. Plain data, no logic.

One request gives one stream of events, whether the client streams or not:

    Retrieved            once, first (with no passages for the bare generator)
    TextDelta | Citation any number, in the order of the text
    Finished             once, last
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from graphs.caller import DEFAULT_CALLER, Caller
from models.generation import Message, Sampling

__all__ = [
    "ChatRequest",
    "Citation",
    "Event",
    "FinishReason",
    "Finished",
    "Message",
    "Passage",
    "RetrievalOptions",
    "Retrieved",
    "Sampling",
    "StageTime",
    "TextDelta",
    "Usage",
]

FinishReason = Literal["stop", "length", "content_filter"]


@dataclass(frozen=True, kw_only=True)
class RetrievalOptions:
    """What a request may change of the retrieval; None means the configured default.

    Attributes:
        top_k: most passages handed to the generator, 1 to 50.
        mode: which searches take part.
        expand: what is searched for beside the question.
        diversity: how much a candidate must differ from better ones, 0 to 1.
        neighbours: passages before and after each one that the generator reads with it.
        rerank: whether the cross-encoder orders the passages.
        score_threshold: passages below this relevance (0 to 1) are not used.
        filters: OpenAI comparison or compound filter over file attributes.
    """

    top_k: int | None = None
    mode: Literal["hybrid", "dense", "lexical"] | None = None
    expand: Literal["off", "multi_query", "hyde"] | None = None
    diversity: float | None = None
    neighbours: int | None = None
    rerank: bool | None = None
    score_threshold: float | None = None
    filters: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """One question to the pipeline.

    Attributes:
        request_id: the `x-request-id` of the HTTP request; appears in every log line.
        messages: the chat, oldest first; the last one is the user's question.
        store_ids: vector stores to search; None asks the bare generator, with no retrieval.
        caller: who asks.
    """

    request_id: str
    messages: tuple[Message, ...]
    store_ids: tuple[str, ...] | None
    sampling: Sampling = field(default_factory=Sampling)
    retrieval: RetrievalOptions = field(default_factory=RetrievalOptions)
    caller: Caller = DEFAULT_CALLER


@dataclass(frozen=True, kw_only=True)
class Passage:
    """One numbered passage that the generator saw.

    Attributes:
        number: the `n` of its `[n]` marker, from 1.
        text: the whole passage.
        excerpt: what of it the generator read.
        char_start: where it begins in the file's extracted text, in characters.
        score: relevance in 0..1.
    """

    number: int
    chunk_id: str
    file_id: str
    filename: str
    title: str
    text: str
    excerpt: str
    char_start: int
    char_end: int
    score: float
    attributes: Mapping[str, str | float | bool]


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """How long one stage took."""

    stage: str
    latency_ms: float


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """The passages are packed and the question was found harmless; generation begins.

    Attributes:
        identity: digest of the model that writes the answer; empty: none is asked.
    """

    passages: tuple[Passage, ...]
    search_query: str | None
    timings: tuple[StageTime, ...]
    identity: str = ""


@dataclass(frozen=True, kw_only=True)
class TextDelta:
    """A checked piece of the answer, markers included."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A marker stands in the answer at characters start..end (end exclusive)."""

    start: int
    end: int
    passage: Passage


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of the generator; both 0 when it was not called."""

    num_prompt_tokens: int
    num_completion_tokens: int


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The end of the answer.

    Attributes:
        refusal: why the safety filter ended the answer; None otherwise.
        degraded: names of the stages that were left out because they failed.
        timings: every stage, in the order of their ends.
        num_migrations: how often the answer went on at another generator replica.
    """

    finish_reason: FinishReason
    usage: Usage
    refusal: str | None = None
    degraded: tuple[str, ...] = ()
    timings: tuple[StageTime, ...] = ()
    num_migrations: int = 0


Event = Retrieved | TextDelta | Citation | Finished
