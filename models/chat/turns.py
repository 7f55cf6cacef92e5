"""A turn of a chat as chat templates read it. The one place where turns become prompt text."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NotRequired, TypedDict

from models.chat.harmony import is_harmony
from models.errors import InvalidInputError
from models.generation import Message, ToolCall
from models.token_counter import SpecialTokens

_SHORT_ID_CHARS = 9  # Mistral's templates refuse ids of any other length


class TemplateFunction(TypedDict):
    """A called function; most templates read the arguments as an object, not as its text."""

    name: str
    arguments: dict[str, Any] | str


class TemplateToolCall(TypedDict):
    """A call in an assistant's turn."""

    id: str
    type: str
    function: TemplateFunction


class TemplateTurn(TypedDict):
    """One message (huggingface.co/docs/transformers/chat_extras)."""

    role: str
    content: str
    name: NotRequired[str]
    reasoning_content: NotRequired[str]
    thinking: NotRequired[str]
    tool_calls: NotRequired[list[TemplateToolCall]]
    tool_call_id: NotRequired[str]


class TurnWriter:
    """Writes turns for one model: its control tokens broken, its names of roles.

    Attributes:
        writes_arguments: whether the template wants arguments as text.
        splits_calls: whether it takes one call a turn, so that several become turns of their own.
    """

    def __init__(self, template: object, special: SpecialTokens) -> None:
        self._special = special
        text = str(template)
        # `developer` is OpenAI's newer name of `system`, and few templates know it.
        self._has_developer = re.search(r"""['"]developer['"]""", text) is not None
        # Kimi's templates write the id of a call in the place of its name.
        self._has_named_ids = "<|tool_call_argument_begin|>" in text
        self._has_channels = is_harmony(template)
        self._has_short_ids = re.search(r"id\s*\|\s*length\s*!=\s*9", text) is not None
        self.writes_arguments = False
        self.splits_calls = False

    def broken(self, text: str) -> str:
        """Gives a text with its control tokens broken."""
        return self._special.neutralise(text)

    def write(self, messages: Sequence[Message], *, is_told: bool = False) -> list[TemplateTurn]:
        """Gives the turns, in the same order: one a message, but where calls are split.

        Args:
            messages: oldest first.
            is_told: whether `told_tools` made them: their texts are broken, but for its marks.

        Raises:
            InvalidInputError: the arguments of a tool call are no JSON object.
        """
        if self.splits_calls:
            messages = list(_one_call_a_turn(messages))
        if self._has_named_ids:
            messages = list(_with_named_ids(messages))
        names = {call.id: call.name for message in messages for call in message.tool_calls}
        turns = [self._turn(message, names) for message in messages]
        if is_told:
            for turn, message in zip(turns, messages, strict=True):
                turn["content"] = message.text
        return turns

    def clean(self, value: Any) -> Any:
        """Gives a JSON value with its control tokens broken."""
        # Written out again, since an escape such as \u003c could hide a control token.
        return json.loads(self._special.neutralise(json.dumps(value, ensure_ascii=False)))

    def _turn(self, message: Message, names: Mapping[str, str]) -> TemplateTurn:
        is_unknown = message.role == "developer" and not self._has_developer
        turn = TemplateTurn(
            role="system" if is_unknown else message.role,
            content=self._special.neutralise(message.text),
        )
        if message.thoughts:
            turn["reasoning_content"] = self._special.neutralise(message.thoughts)
        if self._has_channels and message.tool_calls:
            # One or the other, of what stands before a call; both are refused by the template.
            texts = (turn.pop("reasoning_content", ""), turn["content"])
            turn["content"], turn["thinking"] = "", "\n\n".join(filter(None, texts))
        if message.tool_calls:
            turn["tool_calls"] = [self._call(call) for call in message.tool_calls]
        if message.tool_call_id is not None:
            turn["tool_call_id"] = self._id(message.tool_call_id)
            if message.tool_call_id in names:
                turn["name"] = self._special.neutralise(names[message.tool_call_id])
        return turn

    def _call(self, call: ToolCall) -> TemplateToolCall:
        given = self._arguments(call)
        function = TemplateFunction(
            name=self._special.neutralise(call.name),
            arguments=json.dumps(given, ensure_ascii=False) if self.writes_arguments else given,
        )
        return TemplateToolCall(id=self._id(call.id), type="function", function=function)

    def _id(self, name: str) -> str:
        if self._has_short_ids and not re.fullmatch(r"[a-zA-Z0-9]{9}", name):
            return hashlib.sha256(name.encode()).hexdigest()[:_SHORT_ID_CHARS]
        return self._special.neutralise(name)

    def _arguments(self, call: ToolCall) -> dict[str, Any]:
        try:
            arguments = self.clean(json.loads(call.arguments))
        except (ValueError, RecursionError) as err:
            msg = f"arguments of tool call {call.id} must be JSON, got {call.arguments[:80]!r}"
            raise InvalidInputError(msg) from err
        if not isinstance(arguments, dict):
            msg = f"arguments of tool call {call.id} must be an object, got {call.arguments[:80]!r}"
            raise InvalidInputError(msg)
        return arguments


def _with_named_ids(messages: Sequence[Message]) -> Iterator[Message]:
    """Gives calls, and their results, the ids that Kimi's models write: counted in a chat."""
    ids: dict[str | None, str] = {}
    count = 0
    for message in messages:
        calls = []
        for call in message.tool_calls:
            ids[call.id] = f"functions.{call.name}:{count}"
            calls.append(replace(call, id=ids[call.id]))
            count += 1
        result = ids.get(message.tool_call_id, message.tool_call_id)
        yield replace(message, tool_calls=tuple(calls), tool_call_id=result)


def _one_call_a_turn(messages: Sequence[Message]) -> Iterator[Message]:
    """Gives each call a turn of its own, and its result after it."""
    results = {one.tool_call_id: one for one in messages if one.tool_call_id is not None}
    given: set[str | None] = set()
    for message in messages:
        if len(message.tool_calls) <= 1:
            if message.tool_call_id not in given or message.tool_call_id is None:
                yield message
            continue
        for at, call in enumerate(message.tool_calls):
            said, thoughts = (message.content, message.thoughts) if at == 0 else ("", "")
            yield replace(message, content=said, thoughts=thoughts, tool_calls=(call,))
            if call.id in results:
                given.add(call.id)
                yield results[call.id]
