"""What Cohere's `/v2/chat` accepts (https://docs.cohere.com/reference/chat)."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.border.fields import MAX_MESSAGES, Unsupported, only
from graphs.api.chat.chat_schema import ChatCompletionBody, ChatMessage
from graphs.api.chat.picking_fields import MAX_INT32
from graphs.api.chat.tool_fields import FunctionTool
from graphs.api.errors import BadRequestError
from graphs.pipeline.events import GivenDocument
from models.chat.tools import MAX_TOOLS
from models.constraints import MAX_STOPS

MAX_DOCUMENT_CHARS = 2**18  # of all documents together: about what an embedder reads in time
_TITLES, _TEXTS = ("title",), ("text", "snippet", "content")
# What says where a document is, not what it says.
_UNREAD = {"id", "url"}


class CohereDocument(RequestModel):
    """A document: a text, or fields by their names."""

    data: str | dict[str, Any]
    id: str | None = None


class CitationOptions(RequestModel):
    """How citations come: none, as they are found, or at the end."""

    mode: Literal["ENABLED", "DISABLED", "FAST", "ACCURATE", "OFF"] | None = None


class TextFormat(RequestModel):
    """Any text."""

    type: Literal["text"]


class JsonFormat(RequestModel):
    """A JSON object, of any form or that of a schema, which has two names in Cohere's clients."""

    type: Literal["json_object"]
    json_schema: dict[str, Any] | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class Thinking(RequestModel):
    """Whether the model thinks first."""

    type: Annotated[str, only("disabled", name="type")]


class CohereChatBody(RequestModel):
    """The body of a chat."""

    model: str
    messages: list[ChatMessage] = Field(min_length=1, max_length=MAX_MESSAGES)
    stream: bool | None = None
    documents: list[str | CohereDocument] | None = None
    citation_options: CitationOptions | None = None
    response_format: Annotated[TextFormat | JsonFormat, Field(discriminator="type")] | None = None
    max_tokens: int | None = Field(None, ge=1, le=MAX_INT32)
    stop_sequences: list[str] | None = Field(None, max_length=MAX_STOPS)
    temperature: float | None = Field(None, ge=0, le=2)
    seed: int | None = Field(None, ge=0, lt=2**63)
    frequency_penalty: float | None = Field(None, ge=0, le=1)
    presence_penalty: float | None = Field(None, ge=0, le=1)
    k: int | None = Field(None, ge=0, le=500)
    p: float | None = Field(None, ge=0.01, le=0.99)
    tools: Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)] | None = None
    tool_choice: Literal["REQUIRED", "NONE"] | None = None
    strict_tools: bool | None = None  # they are held to their schemas in any case
    logprobs: Unsupported = None
    thinking: Thinking | None = None
    raw_prompting: Unsupported = None
    safety_mode: Annotated[object, only("CONTEXTUAL", name="safety_mode")] = None
    priority: int | None = Field(None, ge=0, le=999)

    @model_validator(mode="before")
    @classmethod
    def _read_plans(cls, body: Any) -> Any:
        """Takes what was said before calls for the text of their turn, which has no other."""
        turns = body.get("messages") if isinstance(body, dict) else None
        if not isinstance(turns, list):
            return body
        read = [
            {**turn, "content": turn["tool_plan"]}
            if isinstance(turn, dict) and turn.get("tool_plan") and not turn.get("content")
            else turn
            for turn in turns
        ]
        return {**body, "messages": read}

    @property
    def cites(self) -> bool:
        """Whether citations are told."""
        mode = self.citation_options and self.citation_options.mode
        return mode not in ("DISABLED", "OFF")

    @property
    def cites_at_the_end(self) -> bool:
        """Whether they are told when the text is complete."""
        return self.cites and bool(
            self.citation_options and self.citation_options.mode == "ACCURATE"
        )

    def as_openai(self) -> ChatCompletionBody:
        """Gives what is asked as OpenAI's API asks it; the documents are no part of that."""
        wanted = self.response_format
        form: dict[str, Any] | None = None
        if isinstance(wanted, JsonFormat):
            schema = wanted.json_schema or wanted.schema_
            form = {"type": "json_object"}
            if schema is not None:
                form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        return ChatCompletionBody.model_validate(
            {
                "model": self.model,
                "messages": self.messages,
                "response_format": form,
                "tools": self.tools,
                "tool_choice": self.tool_choice and self.tool_choice.lower(),
                "max_tokens": self.max_tokens,
                "stop": self.stop_sequences,
                "temperature": self.temperature,
                "seed": self.seed,
                "frequency_penalty": self.frequency_penalty,
                "presence_penalty": self.presence_penalty,
                "top_k": self.k,
                "top_p": self.p,
            }
        )

    def given(self, most: int) -> dict[str, tuple[GivenDocument, dict[str, Any]]]:
        """Gives the documents by their ids: as they are read, and as they are shown.

        Raises:
            BadRequestError: they are more than `most`, too long, or one of them says nothing.
        """
        if self.documents and len(self.documents) > most:
            msg = f"documents must have at most {most} entries, got {len(self.documents)}"
            raise BadRequestError(msg, param="documents")
        found: dict[str, tuple[GivenDocument, dict[str, Any]]] = {}
        for place, sent in enumerate(self.documents or ()):
            data = sent if isinstance(sent, str) else sent.data
            fields = {"text": data} if isinstance(data, str) else data
            name = (None if isinstance(sent, str) else sent.id) or fields.get("id")
            name = name if isinstance(name, str) and name else f"doc:{place}"
            while name in found:
                name += f":{place}"
            title, text = _read(fields)
            if not (title or text):
                msg = f"documents[{place}] has no text"
                raise BadRequestError(msg, param=f"documents[{place}]")
            document = GivenDocument(id=name, title=title, text=text or title)
            found[name] = (document, {**fields, "id": name})
        num_chars = sum(len(one.title) + len(one.text) for one, _ in found.values())
        if num_chars > MAX_DOCUMENT_CHARS:
            msg = f"documents must have at most {MAX_DOCUMENT_CHARS} characters, got {num_chars}"
            raise BadRequestError(msg, param="documents")
        return found


def _read(fields: dict[str, Any]) -> tuple[str, str]:
    """Gives title and text; further fields are paragraphs with their names."""
    title = next((str(fields[name]) for name in _TITLES if fields.get(name)), "")
    main = next((name for name in _TEXTS if fields.get(name)), "")
    more = [
        f"{name}: {value}"
        for name, value in fields.items()
        if name not in {main, *_TITLES, *_UNREAD} and value not in (None, "")
    ]
    return title, "\n\n".join([str(fields[main]), *more] if main else more)
