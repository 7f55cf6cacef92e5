"""What `/v1/chat/completions` accepts.

Unknown fields are ignored; what would change the answer but is not served is refused by name. What
cannot enter of earlier turns (images, calls without a name) is left out by turns.py.
"""

from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.border.fields import MAX_MESSAGES, CacheKey, ServiceTier, Unsupported
from graphs.api.chat.data_sources import DataSources
from graphs.api.chat.formats import FormatFields
from graphs.api.chat.picking_fields import MAX_INT32, PickingFields, RefusedFields, Whole
from graphs.api.chat.tool_fields import ToolFields
from graphs.api.corpus.filters import FilterSpec
from graphs.api.corpus.vector_store_schema import Metadata
from graphs.config import (
    Diversity,
    Expand,
    Mode,
    Neighbours,
    Relevance,
    RetrievalSettings,
    TopK,
)
from models.constraints import MAX_STOPS, MAX_TOP_LOGPROBS
from models.generation import Effort

# The options of `rag` that are settings of the retrieval.
_RETRIEVAL_OPTIONS = {
    "top_k", "mode", "expand", "diversity", "neighbours", "rerank", "score_threshold"
}  # fmt: skip


class TurnPart(RequestModel):
    """One part of a turn; only those with a text count."""

    type: str
    text: str | None = None
    refusal: str | None = None


def _content_tag(content: object) -> str:
    return "parts" if isinstance(content, list) else "string"


TurnContent = Annotated[
    Annotated[str | None, Tag("string")] | Annotated[list[TurnPart], Tag("parts")],
    Discriminator(_content_tag),
]


class SystemMessage(RequestModel):
    """Instructions of the application."""

    role: Literal["system", "developer"]
    content: TurnContent


class UserMessage(RequestModel):
    """A turn of the user."""

    role: Literal["user"]
    content: TurnContent


class AssistantMessage(RequestModel):
    """An earlier answer, as this server or another has given it.

    Calls are read as leniently as clients keep them: what is none is left out by turns.py.
    """

    role: Literal["assistant"]
    content: TurnContent = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: Any = None
    function_call: Any = None


class ToolMessage(RequestModel):
    """What a tool gave: a text, parts, or any JSON value."""

    role: Literal["tool", "function"]
    content: Any = None
    tool_call_id: Any = None
    name: Any = None


ChatMessage = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


class StreamOptions(RequestModel):
    """How a stream is sent."""

    include_usage: bool | None = None
    include_obfuscation: Unsupported = None


class RagOptions(RequestModel):
    """Our extension: what a request may change of the retrieval; null means as configured."""

    vector_store_ids: list[str] | None = Field(default=None, min_length=1, max_length=64)
    top_k: TopK | None = None
    mode: Mode | None = None
    expand: Expand | None = None
    diversity: Diversity | None = None
    neighbours: Neighbours | None = None
    rerank: bool | None = None
    score_threshold: Relevance | None = None
    filters: FilterSpec | None = None
    debug: bool = False
    quality_log: bool = True

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, options: Any) -> Any:
        """Refuses misspelt options: without one, the answer would silently be another."""
        for name in options if isinstance(options, dict) else ():
            if name not in cls.model_fields:
                near = get_close_matches(name[:64], cls.model_fields, n=1)
                known = (
                    f"did you mean '{near[0]}'?"
                    if near
                    else "it has " + ", ".join(cls.model_fields)
                )
                raise PydanticCustomError(
                    "unknown_parameter", "rag has no option '{name}'; {known}",
                    {"name": name[:64], "known": known},
                )  # fmt: skip
        return options

    def settings(self, configured: RetrievalSettings) -> RetrievalSettings:
        """Gives the settings of this request."""
        return configured.overridden(self.model_dump(include=_RETRIEVAL_OPTIONS))


def _check_stop(stop: str | list[str] | None) -> str | list[str] | None:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > MAX_STOPS:
        raise PydanticCustomError(
            "stop", "stop must be at most {limit} strings, got {count}",
            {"limit": MAX_STOPS, "count": len(stops)},
        )  # fmt: skip
    return [one for one in stops if one]  # an empty one stops nothing


class IdleFields(RequestModel):
    """What is checked and changes no answer."""

    metadata: Metadata | None = None
    user: str | None = Field(None, max_length=1024)
    safety_identifier: str | None = Field(None, max_length=128)
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: dict[str, Any] | None = None


class ChatCompletionBody(FormatFields, PickingFields, ToolFields, RefusedFields, IdleFields):
    """The body of a chat request: OpenAI's fields, some of vLLM's and Azure's, and `rag`."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: Annotated[Whole, Field(ge=1, le=MAX_INT32)] | None = None
    max_tokens: Annotated[Whole, Field(ge=1, le=MAX_INT32)] | None = None
    stop: Annotated[str | list[str] | None, AfterValidator(_check_stop)] = None
    service_tier: ServiceTier | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[Whole, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    reasoning_effort: Effort | None = None
    prompt_cache_key: CacheKey | None = None
    rag: RagOptions | None = None
    data_sources: DataSources | None = None

    @model_validator(mode="after")
    def _check_logprobs(self) -> "ChatCompletionBody":
        if self.top_logprobs and not self.logprobs:
            raise PydanticCustomError(
                "invalid_value", "top_logprobs needs `logprobs: true`, got {value}",
                {"value": self.top_logprobs},
            )  # fmt: skip
        return self
