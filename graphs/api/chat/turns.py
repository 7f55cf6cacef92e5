"""The turns of a chat: from OpenAI's messages to those of the pipeline.

What a turn may not hold is refused by the schema; what it loses on the way, it loses here.
"""

from collections.abc import Sequence
from typing import Literal

from graphs.api.border.fields import joined
from graphs.api.chat.chat_schema import AssistantMessage, ChatMessage
from graphs.api.errors import BadRequestError
from graphs.pipeline.events import Message


def turns_of(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """Reads a chat, oldest turn first.

    Raises:
        BadRequestError: the last turn is no question of the user.
    """
    turns = tuple(_turn(message) for message in messages)
    if turns[-1].role != "user" or not turns[-1].content.strip():
        msg = "the last message must be the user's question, and not blank"
        raise BadRequestError(msg, param=f"messages[{len(turns) - 1}]")
    return turns


def _turn(message: ChatMessage) -> Message:
    if isinstance(message, AssistantMessage):
        content = "" if message.content is None else joined(message.content)
        # A refused answer has its text in `refusal`; without it the chat would have a gap.
        return Message(role="assistant", content=content or message.refusal or "")
    return Message(role=_role(message.role), content=joined(message.content))


def _role(role: Literal["system", "developer", "user"]) -> Literal["system", "user"]:
    """Gives the role that chat templates know: OpenAI's newer name of `system` is in none."""
    return "system" if role == "developer" else role
