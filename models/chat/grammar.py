"""The grammar that holds an answer to calls that can be read, in Lark's notation for llguidance.

    auto       text | text calls     text is free until the trigger of a call has been written
    required   calls                 at least one
    named      one                   of that tool alone

Arguments fit the schema of their tool. Where text is not free but JSON, it is that or calls.
"""

import json
import re
from collections.abc import Mapping

from models.chat.syntax import CallSyntax
from models.chat.tools import Tool, ToolUse
from models.errors import InvalidInputError

# One way to write a value, as in `models.engines.grammar_check`.
_JSON_FORM = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
_GAP = "GAP: /[ \\n]{0,4}/"  # between thoughts and calls


class CallGrammar:
    """Writes the grammars of one model.

    Args:
        syntax: how it writes calls.
        control_ids: its control tokens and their ids; a grammar names those by id.
    """

    def __init__(self, syntax: CallSyntax, control_ids: Mapping[str, int]) -> None:
        self._syntax = syntax
        self._control_ids = control_ids
        known = sorted(control_ids, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, known)) or r"(?!)")

    def rules(self, use: ToolUse, *, after_thoughts: bool) -> str:
        """Writes the grammar of an answer.

        Args:
            use: the tools, and how far they have to be called.
            after_thoughts: whether white space may stand before calls.

        Raises:
            InvalidInputError: the answer is to be JSON, and calls cannot be told from that.
        """
        gap = "GAP " if after_thoughts else ""
        lines = [
            "%llguidance {}",
            *self._start(use, gap),
            *([_GAP] if gap else []),
            f"calls: {self._calls(use)}",
            f"one: {' | '.join(f'call_{n}' for n in range(len(use.callable)))}",
            *(f"call_{n}: {self._call(tool)}" for n, tool in enumerate(use.callable)),
        ]
        return "\n".join(lines) + "\n"

    def _start(self, use: ToolUse, gap: str) -> list[str]:
        trigger = self._literal(self._syntax.trigger)
        if use.is_forced:
            return [f"start: {gap}{trigger} calls"]
        if use.answer is not None:
            return self._json_or_calls(use.answer, f"{gap}{trigger} calls", gap)
        if not self._syntax.anywhere:
            # One terminal, since text could begin with white space, too.
            begin = re.sub(r"([^\w ])", r"\\\1", self._syntax.trigger)
            blanks = "[ \\n]{0,4}" if gap else ""
            return [
                "start: TEXT | BEGIN calls", f"BEGIN: /{blanks}{begin}/",
                f"TEXT: /(.|\\n)*/ & ~/{blanks}{begin}(.|\\n)*/",
            ]  # fmt: skip
        text = "TEXT: /(.|\\n)*/"
        if self._syntax.trigger in self._control_ids:
            return [f"start: text | TEXT {trigger} calls", "text: TEXT", text]
        return [
            "start: text | head calls", "text: TEXT", f"head[lazy]: TEXT {trigger}", text,
        ]  # fmt: skip

    def _json_or_calls(self, schema: str, calls: str, gap: str) -> list[str]:
        if not self._syntax.anywhere:
            msg = "this model writes calls as JSON, so no other JSON can be asked for beside tools"
            raise InvalidInputError(msg)
        answer = f"%json {_with_form(json.loads(schema))}"
        return [f"start: {calls} | {gap}answer", f"answer: {answer}"]

    def _calls(self, use: ToolUse) -> str:
        syntax = self._syntax
        more = f"({self._literal(syntax.between)} one)*" if use.parallel and not use.named else ""
        return f"{self._literal(syntax.first)} one {more} {self._literal(syntax.closing)}"

    def _call(self, tool: Tool) -> str:
        syntax = self._syntax
        arguments = f"%json {_with_form(tool.schema())}"
        return (
            f"{self._literal(tool.name + syntax.before_arguments)} {arguments} "
            f"{self._literal(syntax.after)}"
        )

    def _literal(self, text: str) -> str:
        """Writes a text as terminals: control tokens by id, all else by its characters."""
        terminals, end = [], 0
        for found in self._control.finditer(text):
            terminals += [_quoted(text[end : found.start()])]
            terminals += [f"<[{self._control_ids[found.group()]}]>"]
            end = found.end()
        return " ".join(one for one in [*terminals, _quoted(text[end:])] if one)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if text else ""


def _with_form(schema: dict[str, object] | bool) -> str:
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    return json.dumps({**schema, "x-guidance": _JSON_FORM})
