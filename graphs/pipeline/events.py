"""What goes into the RAG pipeline and what comes out of it. Plain data, no logic.

One request gives one stream of events, whether the client streams or not:

    Retrieved            once, first (with no passages for the bare generator)
    Thought              any number: what a reasoning model thinks before it answers
    TextDelta | Citation any number, in the order of the text
    Called | Arguments   any number: calls of tools, each with its arguments in pieces
    Finished             once, last
    Moved                where it is asked for: the answer goes on at another replica
    OtherChoice          where several answers are asked for: the same of each but the first
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from graphs.caller import DEFAULT_CALLER, Caller
from graphs.config import RetrievalSettings
from index.searching.filters import Filter
from models.chat.parts import Arguments, Called, Thought
from models.chat.tools import ToolUse
from models.constraints import Constraint
from models.generation import Effort, Message, Sampling, WrittenToken

__all__ = [
    "Arguments",
    "Called",
    "ChatRequest",
    "Citation",
    "Event",
    "FinishReason",
    "Finished",
    "Generated",
    "GivenDocument",
    "Message",
    "Moved",
    "OtherChoice",
    "Passage",
    "Retrieved",
    "Sampling",
    "StageTime",
    "TextDelta",
    "Thought",
    "Usage",
    "Written",
    "choice_of",
]

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, kw_only=True)
class GivenDocument:
    """A document that comes with the question.

    Attributes:
        id: what passages of it have as `file_id`.
        title: stands over each of its passages; may be empty.
        text: blocks are set apart by empty lines.
    """

    id: str
    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """One question to the pipeline.

    Attributes:
        request_id: the `x-request-id` of the HTTP request; appears in every log line.
        messages: the chat, oldest first; the last one is the user's question.
        exchange: calls of tools since that question and their results, oldest first.
        tools: what the model may call beside answering.
        effort: how long a reasoning model may think; None: as it is used to.
        retrieves: whether passages are searched for; the bare generator is asked otherwise.
        stores: names or ids of the vector stores to search; None: all of them.
        documents: what is searched in the place of the stores; empty: those are.
        retrieval: the settings of this request: its options over the configured ones.
        constraint: the form that the answer has to have; such an answer is given as it is written,
            and passages are told beside it; None: any.
        filters: only files whose attributes pass take part.
        identity: digest of the model that has to answer; None: any.
        caller: who asks.
        num_choices: answers that are written from the same passages, each with a seed of its own.
        once: names an answer that may be made again, and is to be paid once; empty: it is paid.
        in_batch: whether it is a line of a batch.
        adapter: the generator's LoRA adapter that writes them; empty: the generator itself.
        may_be_logged: whether quality log and spans may hold its texts, where those are on.
        cache_key: what the client names requests by that begin alike; empty: the chat tells.
        tells_moves: whether `Moved` is given; of a single answer only, since several take turns.
    """

    request_id: str
    messages: tuple[Message, ...]
    retrieves: bool = True
    stores: tuple[str, ...] | None = None
    documents: tuple[GivenDocument, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    retrieval: RetrievalSettings = field(default_factory=RetrievalSettings)
    constraint: Constraint | None = None
    filters: Filter | None = None
    identity: str | None = None
    caller: Caller = DEFAULT_CALLER
    num_choices: int = 1
    exchange: tuple[Message, ...] = ()
    tools: ToolUse | None = None
    effort: Effort | None = None
    once: str = ""
    in_batch: bool = False
    adapter: str = ""
    may_be_logged: bool = True
    cache_key: str = ""
    tells_moves: bool = False


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
class Span:
    """One run of a stage, in milliseconds since the request began.

    Attributes:
        number: counts the runs of a request by their starts, from 0.
        above: number of the run in which this one was made; None: in none.
        error: the code of the error that ended it; empty: none did.
    """

    stage: str
    start_ms: float
    end_ms: float
    number: int = 0
    above: int | None = None
    error: str = ""

    @property
    def latency_ms(self) -> float:
        """How long it took."""
        return self.end_ms - self.start_ms


@dataclass(frozen=True, kw_only=True)
class Generated:
    """What one generation cost: the answer, a rewritten question, or what a search was given.

    Attributes:
        stage: `generate`, `condense` or `expand`.
        num_migrations: how often it went on at another replica.
        writer: the generator that wrote it; empty: the first one, or nobody.
        decoding_ms: of the answer, from its first tokens to its last.
    """

    stage: str
    num_prompt_tokens: int
    num_completion_tokens: int
    num_migrations: int = 0
    writer: str = ""
    decoding_ms: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """The passages are packed and the question was found harmless; generation begins.

    Attributes:
        identity: digest of the model that writes the answer; empty: none is asked.
        writer: the generator that writes it; empty where there is nothing to tell apart.
        model: the id of its model, for people; empty where it is not told.
    """

    passages: tuple[Passage, ...]
    search_query: str | None
    timings: tuple[StageTime, ...]
    identity: str = ""
    writer: str = ""
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class TextDelta:
    """A checked piece of the answer, markers included.

    Attributes:
        tokens: those that the generator wrote of it, where their probabilities were asked for. What
            they say together is the text before markers and blanks were taken out of it.
    """

    text: str
    tokens: tuple[WrittenToken, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A marker stands in the answer at characters start..end (end exclusive)."""

    start: int
    end: int
    passage: Passage


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Tokens of the answer alone; all 0 when the generator was not called.

    Attributes:
        num_completion_tokens: those of thoughts and calls included.
        num_reasoning_tokens: of these, those of thoughts.
    """

    num_prompt_tokens: int
    num_completion_tokens: int
    num_reasoning_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The end of the answer.

    Attributes:
        refusal: why the safety filter ended the answer, or that the passages hold none in the form
            that was asked for; None otherwise.
        degraded: names of the stages that were left out because they failed.
        timings: every stage, in the order of their ends.
        num_migrations: how often the answer went on at another generator replica.
        generated: what every generation cost, those for the search included.
        spans: every run of a stage, in the order of their ends.
    """

    finish_reason: FinishReason
    usage: Usage
    refusal: str | None = None
    degraded: tuple[str, ...] = ()
    timings: tuple[StageTime, ...] = ()
    num_migrations: int = 0
    generated: tuple[Generated, ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Moved:
    """The answer has moved so often until now. No part of it: made again, it moves otherwise."""

    num_migrations: int


Written = TextDelta | Citation | Thought | Called | Arguments


@dataclass(frozen=True, kw_only=True)
class OtherChoice:
    """An event of another answer than the first.

    Attributes:
        index: counts the answers from 0.
    """

    index: int
    event: Written | Finished


Event = Retrieved | Written | Moved | Finished | OtherChoice


def choice_of(event: Event) -> tuple[int, Event]:
    """Gives the answer that an event belongs to, counted from 0, and the event of that answer."""
    return (event.index, event.event) if isinstance(event, OtherChoice) else (0, event)
