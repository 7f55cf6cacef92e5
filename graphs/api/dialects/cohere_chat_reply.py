"""What Cohere's `/v2/chat` replies (https://docs.cohere.com/reference/chat)."""

from typing import Any, Literal

from pydantic import BaseModel


class CohereSource(BaseModel):
    """What a citation stands on: a document as it was sent, or a passage of a vector store."""

    type: Literal["document"]
    id: str
    document: dict[str, Any]


class CohereCitation(BaseModel):
    """A piece of the text, by its characters, and where it is from."""

    start: int
    end: int
    text: str
    sources: list[CohereSource]
    content_index: int
    type: Literal["TEXT_CONTENT"]


class CohereText(BaseModel):
    """The text of a message."""

    type: Literal["text"]
    text: str


class CohereFunction(BaseModel):
    """What is called; the arguments are JSON."""

    name: str
    arguments: str


class CohereCall(BaseModel):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: CohereFunction


class CohereMessage(BaseModel):
    """The answer: a text, calls, or both."""

    role: Literal["assistant"]
    content: list[CohereText] | None = None
    tool_calls: list[CohereCall] | None = None
    citations: list[CohereCitation] | None = None


class CohereChatReply(BaseModel):
    """A whole reply."""

    id: str
    finish_reason: str
    message: CohereMessage
    usage: dict[str, dict[str, int]]
