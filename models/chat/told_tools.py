"""Tools for models whose chat template knows none: told in words, calls and results as text.

system      "You may call these functions ...", with the form of a call
assistant   its text, then its calls in that form
user        <tool_response> a result </tool_response>
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from models.chat.syntax import CallSyntax
from models.chat.tools import ToolUse
from models.generation import Message

_RESULT = "<tool_response>\n{}\n</tool_response>"


def tools_text(use: ToolUse) -> str:
    """Lists tools as JSON, one a line."""
    return "\n".join(json.dumps(tool.as_json(), ensure_ascii=False) for tool in use.tools)


def told(
    messages: Sequence[Message],
    use: ToolUse | None,
    syntax: CallSyntax,
    *,
    has_system: bool,
    broken: Callable[[str], str],
) -> list[Message]:
    """Gives the chat without tools, calls and turns of tools.

    Texts are broken here, and must not be once more: the marks of calls may be control tokens.

    Args:
        messages: oldest first.
        use: the tools; None: none may be called.
        syntax: the form of a call.
        has_system: whether the template has a system turn; without one, the tools are told in the
            first turn of the user.
        broken: gives a text with its control tokens broken.
    """
    turns = _joined([_plain(message, syntax, broken) for message in messages])
    if use is None:
        return turns
    text, role = _instructions(use, syntax, broken), "system" if has_system else "user"
    place = next((at for at, turn in enumerate(turns) if turn.role == role), None)
    if place is None:
        return [Message(role="system", content=text), *turns] if has_system else turns
    content = f"{turns[place].text}\n\n{text}" if has_system else f"{text}\n\n{turns[place].text}"
    return [*turns[:place], replace(turns[place], content=content), *turns[place + 1 :]]


def _instructions(use: ToolUse, syntax: CallSyntax, broken: Callable[[str], str]) -> str:
    return (
        "You may call these functions, whose parameters are JSON schemas:\n"
        f"{broken(tools_text(use))}\n"
        f"To call one, write:\n{syntax.example}"
    )


def _plain(message: Message, syntax: CallSyntax, broken: Callable[[str], str]) -> Message:
    text = broken(message.text)
    if message.role == "tool":
        return Message(role="user", content=_RESULT.format(text))
    if not message.tool_calls:
        return replace(message, content=text)
    given = tuple((broken(one.name), _unescaped(one.arguments)) for one in message.tool_calls)
    calls = syntax.written(tuple((name, broken(arguments)) for name, arguments in given))
    return Message(role="assistant", content=f"{text}\n{calls}".strip())


def _unescaped(arguments: str) -> str:
    r"""Writes arguments anew, since an escape such as \u003c could hide a control token."""
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except (ValueError, RecursionError):
        return arguments


def _joined(messages: Sequence[Message]) -> list[Message]:
    """Joins turns of one side that follow one another, as results of several calls do."""
    groups = [list(turns) for _, turns in groupby(messages, key=lambda turn: turn.role)]
    return [
        turns[0]
        if len(turns) == 1
        else Message(role=turns[0].role, content="\n\n".join(turn.text for turn in turns))
        for turns in groups
    ]
