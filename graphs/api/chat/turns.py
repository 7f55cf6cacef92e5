"""The turns of a chat: from OpenAI's messages to those of the pipeline.

    system, developer           kept, wherever they stand
    user, assistant             kept, with their text; without one they are left out
    calls of tools, results     kept where they belong together; calls.py reads them

The last turn of the user is the question. After it may come calls of tools and their results alone,
which are answered with it. Only in the question is refused what cannot be read, since it would
change the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graphs.api.chat.calls import CallsOfChat
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


@dataclass(frozen=True, kw_only=True)
class Turns:
    """A chat.

    Attributes:
        messages: oldest first; the last is the question.
        exchange: calls of tools since the question, and their results.
    """

    messages: tuple[Message, ...]
    exchange: tuple[Message, ...] = ()


def turns_of(messages: Sequence[ChatMessage]) -> Turns:
    """Reads a chat.

    Raises:
        BadRequestError: no question of the user ends the chat, or it is no text.
    """
    if not messages:
        raise BadRequestError("the chat has no message", param="messages")
    calls = CallsOfChat()
    turns = [_turn(message, calls) for message in messages]
    last = _last_spoken(turns)
    _refuse_unread_parts(messages[last], last)
    question = turns[last]
    if question is None or question.role != "user" or not question.text.strip():
        msg = "the last message must be the user's question, and not blank"
        raise BadRequestError(msg, param=f"messages[{last}]")
    kept = [calls.answered(turn) for turn in turns]
    before = [one for one in kept[:last] if one is not None and _says(one)]
    after = [one for one in kept[last + 1 :] if one is not None and _says(one)]
    told = [turn for turn in after if turn.role in ("system", "developer")]
    exchange = [turn for turn in after if turn.role not in ("system", "developer")]
    return Turns(messages=(*before, *told, question), exchange=tuple(exchange))


def _last_spoken(turns: Sequence[Message | None]) -> int:
    """Gives the place of the last turn that is neither instructions nor of tools."""
    spoken = [
        at
        for at, turn in enumerate(turns)
        if turn is not None
        and (
            turn.role == "user"
            or (turn.role == "assistant" and turn.text.strip() and not turn.tool_calls)
        )
    ]
    return spoken[-1] if spoken else len(turns) - 1


def _says(turn: Message) -> bool:
    return bool(turn.text.strip() or turn.tool_calls or turn.tool_call_id is not None)


def _refuse_unread_parts(message: ChatMessage, index: int) -> None:
    content = message.content if isinstance(message, UserMessage) else None
    for number, part in enumerate(content if isinstance(content, list) else ()):
        if part.type not in _TEXTS:
            msg = f"a question may have parts of type 'text' alone, got '{part.type[:64]}'"
            param = f"messages[{index}].content[{number}].type"
            raise BadRequestError(msg, param=param, code="unsupported_value")


def _turn(message: ChatMessage, calls: CallsOfChat) -> Message | None:
    """Reads a turn; None: a result of no call."""
    if isinstance(message, ToolMessage):
        return calls.result(message.content, message.tool_call_id or message.name)
    content = _content(message.content)
    if isinstance(message, AssistantMessage):
        # A refused answer has its text in `refusal`; without it the chat would have a gap.
        return Message(
            role="assistant",
            content=content or message.refusal or "",
            tool_calls=calls.read(message.tool_calls, message.function_call),
            thoughts=message.reasoning_content or "",
        )
    return Message(role=message.role, content=content)


def _content(content: str | list[TurnPart] | None) -> str | tuple[TextPart, ...]:
    if not isinstance(content, list):
        return content or ""
    texts = [part.text if part.type in _TEXTS else part.refusal for part in content]
    return tuple(TextPart(text=text) for text in texts if text)
