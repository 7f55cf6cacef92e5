"""Calls of tools and their results in a chat, as clients keep them.

A call needs a name, all else is made up where it is missing: an id, arguments. A result belongs to
the call of its id, or else of its name, or else to the first call that has none. A result of no
call is left out, and so is a call without a result: no chat template knows what to do with them.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from models.generation import Message, ToolCall


class CallsOfChat:
    """Collects the calls of one chat, oldest first, and finds whose a result is."""

    def __init__(self) -> None:
        self._open: list[tuple[object, ToolCall]] = []  # by the id that the client gave
        self._closed: set[str] = set()
        self._ids: set[str] = set()

    def read(self, tool_calls: Any, function_call: Any) -> tuple[ToolCall, ...]:
        """Reads the calls of an assistant's turn."""
        found = list(self._found(tool_calls, function_call))
        self._open += found
        return tuple(call for _, call in found)

    def result(self, content: Any, name: Any) -> Message | None:
        """Reads the turn of a tool; None: nobody has called it."""
        if not self._open:
            return None
        named = (one for one in self._open if name in (one[0], one[1].id, one[1].name))
        found = next(named, self._open[0] if not name else None)
        if found is None:
            return None
        self._open.remove(found)
        _, call = found
        self._closed.add(call.id)
        return Message(role="tool", content=result_text(content), tool_call_id=call.id)

    def answered(self, turn: Message | None) -> Message | None:
        """Gives a turn without the calls that have no result."""
        if turn is None or not turn.tool_calls:
            return turn
        kept = tuple(call for call in turn.tool_calls if call.id in self._closed)
        return replace(turn, tool_calls=kept)

    def _found(self, tool_calls: Any, function_call: Any) -> Iterator[tuple[object, ToolCall]]:
        listed = tool_calls if isinstance(tool_calls, list) else []
        for one in [*listed, {"function": function_call}]:
            function = one.get("function") if isinstance(one, dict) else None
            if not isinstance(function, dict):
                continue
            name = function.get("name")
            if not isinstance(name, str) or not name:
                continue
            given = one.get("id")
            is_new = isinstance(given, str) and given and given not in self._ids
            call_id = given if is_new else self._made_up_id()
            self._ids.add(call_id)
            yield given, ToolCall(id=call_id, name=name, arguments=arguments_text(function))

    def _made_up_id(self) -> str:
        number = len(self._ids) + 1
        while f"call_{number}" in self._ids:
            number += 1
        return f"call_{number}"


def arguments_text(function: dict[str, Any]) -> str:
    """Gives arguments as the text of a JSON object, whatever they are kept as."""
    given = function.get("arguments")
    value = given
    if isinstance(given, str):
        try:
            value = json.loads(given) if given.strip() else {}
        except (ValueError, RecursionError):  # of a model that was cut off
            value = {"arguments": given}
    if value is None:
        value = {}
    if not isinstance(value, dict):
        value = {"arguments": value}
    return json.dumps(value, ensure_ascii=False)


def result_text(content: Any) -> str:
    """Gives a result as text: that of its parts, or JSON."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list) and all(isinstance(one, dict) for one in content):
        texts = [one.get("text") for one in content]
        if texts and all(isinstance(text, str) for text in texts):
            return "\n".join(texts)
    return json.dumps(content, ensure_ascii=False)
