"""The chat that the items of responses and conversations make.

message                its text is a turn
function_call          belongs to the turn of the assistant before it, or is one of its own
function_call_output   the result of a call that the chat has
file_search_call       no turn: what it found is searched anew
"""

from collections.abc import Iterable

from graphs.api.chat.chat_schema import (
    AssistantMessage,
    ChatMessage,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from graphs.api.chat.turns import Turns
from graphs.api.chat.turns import turns_of as read_chat
from graphs.api.errors import BadRequestError
from graphs.api.responses.items import JsonItem


def turns_of(items: Iterable[JsonItem], instructions: str | None) -> Turns:
    """Makes the chat of all items, oldest first.

    Raises:
        BadRequestError: no question of the user ends the input, or an output has no call.
    """
    messages: list[ChatMessage] = []
    if instructions:
        messages.append(SystemMessage(role="system", content=instructions))
    known: set[str] = set()
    for item in items:
        match item["type"]:
            case "message":
                messages.append(_message(item))
            case "function_call":
                known.add(item["call_id"])
                _add_call(messages, item)
            case "function_call_output":
                messages.append(_output(item, known))
    try:
        return read_chat(messages)
    except BadRequestError as err:
        raise BadRequestError(str(err), param="input") from err


def _output(item: JsonItem, known: set[str]) -> ToolMessage:
    call_id = item["call_id"]
    if call_id not in known:
        msg = f"No tool call found for function call output with call_id {call_id[:80]}."
        raise BadRequestError(msg, param="input")
    return ToolMessage(role="tool", content=item["output"], tool_call_id=call_id)


def _add_call(messages: list[ChatMessage], item: JsonItem) -> None:
    """Puts a call into the turn of the assistant that it follows."""
    function = {"name": item["name"], "arguments": item["arguments"]}
    call = {"id": item["call_id"], "function": function}
    last = messages[-1] if messages else None
    if not isinstance(last, AssistantMessage):
        last = AssistantMessage(role="assistant")
        messages.append(last)
    last.tool_calls = [*(last.tool_calls or ()), call]


def _message(item: JsonItem) -> ChatMessage:
    texts = [part.get("text") or part.get("refusal") or "" for part in item["content"]]
    text = "\n".join(text for text in texts if text)
    if item["role"] == "assistant":
        return AssistantMessage(role="assistant", content=text)
    if item["role"] == "user":
        return UserMessage(role="user", content=text)
    return SystemMessage(role=item["role"], content=text)
