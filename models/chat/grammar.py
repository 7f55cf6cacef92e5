"""The grammar that holds an answer to calls that can be read, in Lark's notation for llguidance.

    auto       text | text calls     text is free until the trigger of a call has been written
    required   calls                 at least one
    named      one                   of that tool alone

Arguments fit the schema of their tool. Where text is not free but JSON, it is that or calls.
"""

import json
import re
from collections.abc import Mapping

from models.chat.parameters import JSON_FORM, ParameterGrammar, escaped
from models.chat.syntax import CallSyntax
from models.chat.tools import Tool, ToolUse
from models.errors import InvalidInputError

_GAP = "GAP: /[ \\n]{0,4}/"  # between thoughts and calls
_NUMBER = "NUMBER: /:(0|[1-9][0-9]{0,3})/"  # of a call among those of a chat


class Literals:
    """Writes texts as terminals: control tokens by id, all else by its characters.

    Args:
        control_ids: the model's control tokens and their ids.
    """

    def __init__(self, control_ids: Mapping[str, int]) -> None:
        self._control_ids = control_ids
        known = sorted(control_ids, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, known)) or r"(?!)")

    def __call__(self, text: str) -> str:
        """Writes one text."""
        terminals, end = [], 0
        for found in self._control.finditer(text):
            terminals += [_quoted(text[end : found.start()])]
            terminals += [f"<[{self._control_ids[found.group()]}]>"]
            end = found.end()
        return " ".join(one for one in [*terminals, _quoted(text[end:])] if one)


class CallGrammar:
    """Writes the grammars of one model.

    Args:
        syntax: how it writes calls.
        control_ids: its control tokens and their ids; a grammar names those by id.
    """

    def __init__(self, syntax: CallSyntax, control_ids: Mapping[str, int]) -> None:
        self._syntax = syntax
        self._literal = Literals(control_ids)

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
            *([_NUMBER] if self._syntax.is_numbered else []),
            f"calls: {self._calls(use)}",
            f"one: {' | '.join(f'call_{n}' for n in range(len(use.callable)))}",
            *(rule for n, tool in enumerate(use.callable) for rule in self._call(n, tool)),
        ]
        return "\n".join(lines) + "\n"

    def _start(self, use: ToolUse, gap: str) -> list[str]:
        trigger = self._literal(self._syntax.trigger)
        if use.is_forced:
            return [f"start: {gap}{trigger} calls"]
        if use.answer is not None:
            return self._json_or_calls(use.answer, f"{gap}{trigger} calls", gap)
        if self._syntax.is_bare:
            return self._bare_or_text(use, gap)
        if not self._syntax.anywhere:
            # One terminal, since text could begin with white space, too.
            begin = escaped(self._syntax.trigger)
            blanks = "[ \\n]{0,4}" if gap else ""
            return [
                "start: TEXT | BEGIN calls", f"BEGIN: /{blanks}{begin}/",
                f"TEXT: /(.|\\n)*/ & ~/{blanks}{begin}(.|\\n)*/",
            ]  # fmt: skip
        return _text_or_calls(trigger, escaped(self._syntax.trigger))

    def _json_or_calls(self, schema: str, calls: str, gap: str) -> list[str]:
        if not self._syntax.anywhere and not self._syntax.is_bare:
            msg = "this model writes calls as JSON, so no other JSON can be asked for beside tools"
            raise InvalidInputError(msg)
        answer = f"%json {with_form(json.loads(schema))}"
        return [f"start: {calls} | {gap}answer", f"answer: {answer}"]

    def _calls(self, use: ToolUse) -> str:
        syntax = self._syntax
        return (
            f"{self._literal(syntax.first)} one {self._more(use)} {self._literal(syntax.closing)}"
        )

    def _more(self, use: ToolUse) -> str:
        is_more = use.parallel and not use.named
        return f"({self._literal(self._syntax.between)} one)*" if is_more else ""

    def _call(self, number: int, tool: Tool) -> list[str]:
        name = f"call_{number}"
        title = self._literal(self._syntax.namespace + tool.name)
        place = "NUMBER " if self._syntax.is_numbered else ""
        begin = f"{title} {place}{self._literal(self._syntax.before_arguments)}"
        return [f"{name}: {begin} {name}_rest", *self._rest_of_call(name, tool)]

    def _rest_of_call(self, name: str, tool: Tool) -> list[str]:
        after = self._literal(self._syntax.after)
        if self._syntax.parameters is None:
            return [f"{name}_rest: %json {with_form(tool.schema())} {after}"]
        arguments = ParameterGrammar(self._syntax.parameters, self._literal)
        return [f"{name}_rest: {name}_args {after}", *arguments.rules(f"{name}_args", tool)]

    def _bare_or_text(self, use: ToolUse, gap: str) -> list[str]:
        """Tells calls from text by the trigger and a name: one terminal, as above."""
        syntax, blanks = self._syntax, "[ \\n]{0,4}" if gap else ""
        begins = [
            blanks + escaped(syntax.trigger + tool.name + syntax.before_arguments)
            for tool in use.callable
        ]
        ones = [f"BEGIN_{at} call_{at}_rest" for at in range(len(begins))]
        blank = r"[ \n\t]*"  # the reader takes any name for a call, with white space between
        any_begin = f"{blank}\\[{blank}[a-zA-Z0-9_.\\-]+\\("
        return [
            f"start: TEXT | begun {self._more(use)} {self._literal(syntax.closing)}",
            f"begun: {' | '.join(ones)}",
            *(f"BEGIN_{at}: /{begin}/" for at, begin in enumerate(begins)),
            f"TEXT: /(.|\\n)*/ & ~/{any_begin}(.|\\n)*/",
        ]


def _text_or_calls(trigger: str, mark: str) -> list[str]:
    """Writes that text is free until the trigger, as terminals and as a regular expression."""
    lead, is_token, rest = trigger.partition("<[")
    if not is_token:
        text = ["text: TEXT", "TEXT: /(.|\\n)*/"]
        return ["start: text | head calls", f"head[lazy]: TEXT {trigger}", *text]
    # Spelled by other ids it would be read as a trigger, of calls that nothing holds.
    free = f" & ~/(.|\\n)*{mark}(.|\\n)*/"
    text = ["text: TEXT", f"TEXT: /(.|\\n)*/{free}"]
    if not lead:
        return [f"start: text | TEXT {trigger} calls", *text]
    # No terminal may hold a token, and a text would take what stands before it.
    head = f"HEAD: /(.|\\n)*{escaped(json.loads(lead))}/{free}"
    return [f"start: text | HEAD <[{rest} calls", head, *text]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False) if text else ""


def with_form(schema: dict[str, object] | bool) -> str:
    """Writes a schema as llguidance reads it, with the one way to write a value."""
    if isinstance(schema, bool):
        schema = {} if schema else {"not": {}}
    return json.dumps({**schema, "x-guidance": JSON_FORM})
