"""The turns of a chat: from OpenAI's messages to those of the pipeline.

    system, developer           kept, wherever they stand
    user, assistant             kept, with their text alone; without one they are left out
    tool, function, tool calls  left out: they belong to the model that the chat was with then

The last turn that is kept of user and assistant is the question. Only there is refused what cannot
be read, since it would change the answer.
"""

from collections.abc import Sequence

from graphs.api.chat.chat_schema import (
    AssistantMessage,
    ChatMessage,
    ToolMessage,
    TurnPart,
    UserMessage,
)
from graphs.api.errors import BadRequestError
from graphs.pipeline.events import Message
from models.generation import TextPart

_TEXTS = {"text", "input_text", "output_text"}  # types of parts


def turns_of(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Reads a chat, oldest turn first; the question is the last one.

    Raises:
        BadRequestError: no question of the user ends the chat, or it is no text.
    """
    turns = [_turn(message) for message in messages]
    spoken = [
        index
        for index, turn in enumerate(turns)
        if turn.role == "user" or (turn.role == "assistant" and turn.text.strip())
    ]
    last = spoken[-1] if spoken else len(turns) - 1
    question = turns[last]
    _refuse_unread_parts(messages[last], last)
    if question.role != "user" or not question.text.strip():
        msg = "the last message must be the user's question, and not blank"
        raise BadRequestError(msg, param=f"messages[{last}]")
    return (*(turn for turn in turns if turn is not question and turn.text.strip()), question)


def _refuse_unread_parts(message: ChatMessage, index: int) -> None:
    content = message.content if isinstance(message, UserMessage) else None
    for number, part in enumerate(content if isinstance(content, list) else ()):
        if part.type not in _TEXTS:
            msg = f"a question may have parts of type 'text' alone, got '{part.type[:64]}'"
            param = f"messages[{index}].content[{number}].type"
            raise BadRequestError(msg, param=param, code="unsupported_value")


def _turn(message: ChatMessage) -> Message:
    if isinstance(message, ToolMessage):
        return Message(role="assistant", content="")
    content = _content(message.content)
    if isinstance(message, AssistantMessage):
        # A refused answer has its text in `refusal`; without it the chat would have a gap.
        return Message(role="assistant", content=content or message.refusal or "")
    return Message(role=message.role, content=content)


def _content(content: str | list[TurnPart] | None) -> str | tuple[TextPart, ...]:
    if not isinstance(content, list):
        return content or ""
    texts = [part.text if part.type in _TEXTS else part.refusal for part in content]
    return tuple(TextPart(text=text) for text in texts if text)
