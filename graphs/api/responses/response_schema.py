"""What `/v1/responses` and `/v1/conversations` accept.

What becomes of each documented field says `graphs.api.documented`.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.border.fields import MAX_MESSAGES, CacheKey, ServiceTier, Unsupported, only
from graphs.api.chat.picking_fields import MAX_INT32, Whole
from graphs.api.corpus.vector_store_schema import Metadata
from graphs.api.responses.response_tools import FileSearch, ToolChoice, Tools
from models.constraints import MAX_TOP_LOGPROBS
from models.generation import Effort

RESULTS = "file_search_call.results"
LOGPROBS = "message.output_text.logprobs"
MAX_ITEM_ID_CHARS = 64
MAX_CALL_ID_CHARS = 256
MAX_NEW_ITEMS = 20  # OpenAI's bound for what is added to a conversation at once
# Of items that never occur here, so that there is nothing to include.
_NOTHING = {
    "web_search_call.results", "web_search_call.action.sources", "message.input_image.image_url",
    "computer_call_output.output.image_url", "code_interpreter_call.outputs",
    "reasoning.encrypted_content",
}  # fmt: skip
# What chat completions call otherwise, or have beside; silently left out it would change answers.
_OF_CHAT = {
    "messages": "input", "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens", "response_format": "text.format",
    "reasoning_effort": "reasoning.effort", "rag": "tools",
}  # fmt: skip
_NOT_HERE = {
    "n", "seed", "stop", "logit_bias", "logprobs", "frequency_penalty", "presence_penalty",
    "top_k", "min_p", "functions", "structured_outputs", "documents", "data_sources",
}  # fmt: skip


class Part(RequestModel):
    """One part of a message."""

    type: str
    text: str | None = None
    refusal: str | None = None
    annotations: list[dict[str, Any]] | None = None


class InputItem(RequestModel):
    """One item of the input: a message, or what an earlier response has put out."""

    type: str | None = "message"
    id: Annotated[str, Field(min_length=1, max_length=MAX_ITEM_ID_CHARS)] | None = None
    role: Literal["user", "assistant", "system", "developer"] | None = None
    content: str | list[Part] | None = None
    queries: list[str] | None = None
    call_id: Annotated[str, Field(min_length=1, max_length=MAX_CALL_ID_CHARS)] | None = None
    name: str | None = None
    arguments: Any = None
    output: Any = None

    @property
    def is_reference(self) -> bool:
        """Whether it is an earlier item's id alone; OpenAI lets its type be left out."""
        if self.type in (None, "message"):
            return self.id is not None and self.role is None and self.content is None
        return self.type == "item_reference"


class NamedConversation(RequestModel):
    """A conversation by its id."""

    id: str


def _check_include(names: list[str]) -> list[str]:
    for name in names:
        if name not in (RESULTS, LOGPROBS) and name not in _NOTHING:
            raise PydanticCustomError(
                "unsupported_value", "include knows '{known}' here, got '{name}'",
                {"known": f"{RESULTS}' and '{LOGPROBS}", "name": name[:64]},
            )  # fmt: skip
    return names


Include = Annotated[list[str], AfterValidator(_check_include)]
_NO_OBFUSCATION: tuple[dict[str, bool | None], ...] = (
    {},
    {"include_obfuscation": False},
    {"include_obfuscation": None},
)


class TextForm(RequestModel):
    """Any text."""

    type: Literal["text"]


class JsonObjectForm(RequestModel):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchemaForm(RequestModel):
    """JSON that fits a schema; `strict` or not, the answer is held to it."""

    type: Literal["json_schema"]
    name: str
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


Format = Annotated[TextForm | JsonObjectForm | JsonSchemaForm, Field(discriminator="type")]


class TextOptions(RequestModel):
    """How the text is written."""

    format: Format | None = None
    verbosity: Annotated[object, only("medium", name="text.verbosity")] = None


class ReasoningOptions(RequestModel):
    """How long a model thinks before it answers."""

    effort: Effort | None = None
    # What `auto` asks for is up to the server: thoughts are told whole, none of earlier turns read.
    summary: Annotated[object, only("auto", name="reasoning.summary")] = None
    generate_summary: Annotated[object, only("auto", name="reasoning.generate_summary")] = None
    context: Annotated[object, only("auto", "current_turn", name="reasoning.context")] = None
    mode: Annotated[object, only("standard", name="reasoning.mode")] = None


class ResponseBody(RequestModel):
    """The body of `POST /v1/responses`."""

    model: str
    input: str | Annotated[list[InputItem], Field(max_length=MAX_MESSAGES)]
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | NamedConversation | None = None
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    max_output_tokens: Annotated[Whole, Field(ge=1, le=MAX_INT32)] | None = None
    max_tool_calls: Annotated[Whole, Field(ge=1, le=MAX_INT32)] | None = None
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    truncation: Literal["auto", "disabled"] | None = None
    metadata: Metadata | None = None
    include: Include | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None

    prompt_cache_key: CacheKey | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    prompt_cache_options: dict[str, Any] | None = None
    safety_identifier: str | None = Field(None, max_length=128)
    user: str | None = Field(None, max_length=1024)
    service_tier: ServiceTier | None = None

    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    top_logprobs: Annotated[Whole, Field(ge=0, le=MAX_TOP_LOGPROBS)] | None = None
    stream_options: Annotated[object, only(*_NO_OBFUSCATION, name="stream_options")] = None
    access_programs: Unsupported = None
    context_management: Unsupported = None
    image: Unsupported = None
    moderation: Unsupported = None
    prompt: Unsupported = None

    @model_validator(mode="before")
    @classmethod
    def _refuse_fields_of_chat(cls, body: Any) -> Any:
        for name in body if isinstance(body, dict) else ():
            if name in _OF_CHAT or name in _NOT_HERE:
                instead = f"; send {_OF_CHAT[name]}" if name in _OF_CHAT else ""
                raise PydanticCustomError(
                    "unsupported_parameter", "{name} is no field of a response{instead}",
                    {"name": name, "instead": instead},
                )  # fmt: skip
        return body

    @model_validator(mode="after")
    def _check_logprobs(self) -> "ResponseBody":
        if self.top_logprobs and self.num_logprobs is None:
            raise PydanticCustomError(
                "invalid_value", "top_logprobs needs '{name}' in include, got {value}",
                {"name": LOGPROBS, "value": self.top_logprobs},
            )  # fmt: skip
        return self

    @property
    def num_logprobs(self) -> int | None:
        """How many likely tokens are told beside each; None: no probabilities are."""
        return (self.top_logprobs or 0) if LOGPROBS in (self.include or ()) else None

    @property
    def search(self) -> FileSearch | None:
        """The search that is asked for."""
        return next((one for one in self.tools or () if isinstance(one, FileSearch)), None)

    @property
    def conversation_id(self) -> str | None:
        """The conversation that is meant."""
        named = self.conversation
        return named.id if isinstance(named, NamedConversation) else named


class ConversationBody(RequestModel):
    """A new conversation."""

    metadata: Metadata | None = None
    items: Annotated[list[InputItem], Field(max_length=MAX_NEW_ITEMS)] | None = None


class MetadataBody(RequestModel):
    """Other metadata for a conversation."""

    metadata: Metadata | None


class ItemsBody(RequestModel):
    """Items for a conversation."""

    items: Annotated[list[InputItem], Field(min_length=1, max_length=MAX_NEW_ITEMS)]
