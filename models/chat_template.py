"""A turn of a chat as chat templates read it. The one place where turns become prompt text."""

import json
import re
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from models.errors import InvalidInputError
from models.generation import Message, ToolCall
from models.token_counter import SpecialTokens


class TemplateFunction(TypedDict):
    """A called function; templates read the arguments as an object, not as its text."""

    name: str
    arguments: dict[str, Any]


class TemplateToolCall(TypedDict):
    """A call in an assistant's turn."""

    id: str
    type: str
    function: TemplateFunction


class TemplateTurn(TypedDict):
    """One message (huggingface.co/docs/transformers/chat_extras)."""

    role: str
    content: str
    tool_calls: NotRequired[list[TemplateToolCall]]
    tool_call_id: NotRequired[str]


class TurnWriter:
    """Writes turns for one model: its control tokens broken, its names of roles."""

    def __init__(self, template: object, special: SpecialTokens) -> None:
        self._special = special
        # `developer` is OpenAI's newer name of `system`, and few templates know it.
        self._has_developer = re.search(r"""['"]developer['"]""", str(template)) is not None

    def write(self, messages: Sequence[Message]) -> list[TemplateTurn]:
        """Gives one turn a message, in the same order.

        Raises:
            InvalidInputError: the arguments of a tool call are no JSON object.
        """
        return [self._turn(message) for message in messages]

    def _turn(self, message: Message) -> TemplateTurn:
        is_unknown = message.role == "developer" and not self._has_developer
        turn = TemplateTurn(
            role="system" if is_unknown else message.role,
            content=self._special.neutralise(message.text),
        )
        if message.tool_calls:
            turn["tool_calls"] = [self._call(call) for call in message.tool_calls]
        if message.tool_call_id is not None:
            turn["tool_call_id"] = self._special.neutralise(message.tool_call_id)
        return turn

    def _call(self, call: ToolCall) -> TemplateToolCall:
        return TemplateToolCall(
            id=self._special.neutralise(call.id),
            type="function",
            function=TemplateFunction(
                name=self._special.neutralise(call.name), arguments=self._arguments(call)
            ),
        )

    def _arguments(self, call: ToolCall) -> dict[str, Any]:
        try:
            # Written out again, since an escape such as \u003c could hide a control token.
            plain = json.dumps(json.loads(call.arguments), ensure_ascii=False)
            arguments = json.loads(self._special.neutralise(plain))
        except ValueError as err:
            msg = f"arguments of tool call {call.id} must be JSON, got {call.arguments[:80]!r}"
            raise InvalidInputError(msg) from err
        if not isinstance(arguments, dict):
            msg = f"arguments of tool call {call.id} must be an object, got {call.arguments[:80]!r}"
            raise InvalidInputError(msg)
        return arguments
