"""The turns of a chat: from OpenAI's messages to those of the pipeline.

What a turn may not hold is refused by the schema; what it loses on the way, it loses here.
"""

from collections.abc import Sequence

from graphs.api.border.fields import ContentPart
from graphs.api.chat.chat_schema import AssistantMessage, ChatMessage
from graphs.api.errors import BadRequestError
from graphs.pipeline.events import Message
from models.generation import TextPart


def turns_of(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Reads a chat, oldest turn first.

    Raises:
        BadRequestError: the last turn is no question of the user.
    """
    turns = tuple(_turn(message) for message in messages)
    if turns[-1].role != "user" or not turns[-1].text.strip():
        msg = "the last message must be the user's question, and not blank"
        raise BadRequestError(msg, param=f"messages[{len(turns) - 1}]")
    return turns


def _turn(message: ChatMessage) -> Message:
    if isinstance(message, AssistantMessage):
        content = "" if message.content is None else _content(message.content)
        # A refused answer has its text in `refusal`; without it the chat would have a gap.
        return Message(role="assistant", content=content or message.refusal or "")
    return Message(role=message.role, content=_content(message.content))


def _content(content: str | list[ContentPart]) -> str | tuple[TextPart, ...]:
    return (
        content if isinstance(content, str) else tuple(TextPart(text=one.text) for one in content)
    )
