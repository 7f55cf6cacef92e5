"""What `/v1/chat/completions` accepts.

Unknown fields are ignored; what would change the answer but is not served is refused by name.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from graphs.api.border.fields import Content, Unsupported, only
from graphs.api.border.json_body import RequestModel
from graphs.api.corpus.filters import FilterSpec
from graphs.config import (
    Diversity,
    Expand,
    Mode,
    Neighbours,
    Relevance,
    RetrievalSettings,
    TopK,
)

MAX_STOPS = 4
# The options of `rag` that are settings of the retrieval.
_RETRIEVAL_OPTIONS = {
    "top_k", "mode", "expand", "diversity", "neighbours", "rerank", "score_threshold"
}  # fmt: skip
MAX_INT32 = 2**31 - 1  # what the engines hold such numbers in


class SystemMessage(RequestModel):
    """Instructions of the application."""

    role: Literal["system", "developer"]
    content: Content


class UserMessage(RequestModel):
    """A turn of the user."""

    role: Literal["user"]
    content: Content


class AssistantMessage(RequestModel):
    """An earlier answer, as this server or another has given it."""

    role: Literal["assistant"]
    content: Content | None = None
    refusal: str | None = None
    tool_calls: Unsupported = None


ChatMessage = Annotated[SystemMessage | UserMessage | AssistantMessage, Field(discriminator="role")]


class StreamOptions(RequestModel):
    """How a stream is sent."""

    include_usage: bool | None = None


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

    def settings(self, configured: RetrievalSettings) -> RetrievalSettings:
        """Gives the settings of this request."""
        return configured.overridden(self.model_dump(include=_RETRIEVAL_OPTIONS))


def _check_stop(stop: str | list[str] | None) -> str | list[str] | None:
    stops = [stop] if isinstance(stop, str) else stop or []
    if len(stops) > MAX_STOPS or not all(stops):
        raise PydanticCustomError(
            "stop", "stop must be 1 to {limit} non-empty strings, got {count}",
            {"limit": MAX_STOPS, "count": len(stops)},
        )  # fmt: skip
    return stop


class ChatCompletionBody(RequestModel):
    """The body of a chat request: OpenAI's fields, `top_k`, and `rag`."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: int | None = Field(None, ge=1, le=MAX_INT32)
    max_tokens: int | None = Field(None, ge=1, le=MAX_INT32)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=0, le=MAX_INT32)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: Annotated[str | list[str] | None, AfterValidator(_check_stop)] = None
    rag: RagOptions | None = None

    n: Annotated[int | None, only(1, name="n")] = None
    response_format: Annotated[object, only({"type": "text"}, name="response_format")] = None
    tool_choice: Annotated[object, only("none", "auto", name="tool_choice")] = None
    modalities: Annotated[object, only(["text"], name="modalities")] = None
    repetition_penalty: Annotated[object, only(1, name="repetition_penalty")] = None
    tools: Unsupported = None
    functions: Unsupported = None
    logprobs: Unsupported = None
    top_logprobs: Unsupported = None
    logit_bias: Unsupported = None
    frequency_penalty: Unsupported = None
    presence_penalty: Unsupported = None
    min_p: Unsupported = None
    structured_outputs: Unsupported = None
    moderation: Unsupported = None
    data_sources: Unsupported = None
    documents: Unsupported = None
    web_search_options: Unsupported = None
