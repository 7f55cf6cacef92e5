"""The grammar of an answer in Harmony's channels (`harmony.py`), in Lark's notation.

(thoughts or text, then the begin of the next message)*   the answer, or one call
"""

import json
from collections.abc import Mapping

from models.chat.grammar import Literals, with_form
from models.chat.harmony import CHANNEL, CONSTRAIN, END, MARKS, MESSAGE, NAMESPACE, START
from models.chat.parameters import escaped
from models.chat.tools import Tool, ToolUse

_ANY_MARK = "|".join(map(escaped, MARKS))


def harmony_rules(use: ToolUse, control_ids: Mapping[str, int]) -> str:
    """Writes the grammar of an answer whose prompt ends with `<|start|>assistant`.

    Args:
        use: the tools, and how far they have to be called: one alone, since a call ends an answer.
        control_ids: the model's control tokens and their ids, Harmony's marks among them.
    """
    literal = Literals(control_ids)
    lasts = [f"call_{at}" for at in range(len(use.callable))]
    heads = {
        one: literal(f"{CHANNEL}{one}{MESSAGE}") for one in ("analysis", "commentary", "final")
    }
    next_one = literal(f"{END}{START}assistant")
    lines = [
        "%llguidance {}",
        "start: before* last",
        f"before: ({heads['analysis']} | {heads['commentary']}) TEXT {next_one}",
        # A mark that is spelled by other ids would be read as one.
        f"TEXT: /(.|\\n)*/ & ~/(.|\\n)*({_ANY_MARK})(.|\\n)*/",
        f"last: {' | '.join(lasts if use.is_forced else ['final', *lasts])}",
        *([] if use.is_forced else [f"final: {heads['final']} {_answer(use)}"]),
        f'channel: {literal(CHANNEL)} ("commentary" | "analysis")',
        f'type: (" json" | " "? {literal(CONSTRAIN)} "json")?',
        *(_call(name, one, literal) for name, one in zip(lasts, use.callable, strict=True)),
    ]
    return "\n".join(lines) + "\n"


def _answer(use: ToolUse) -> str:
    return "TEXT" if use.answer is None else f"%json {with_form(json.loads(use.answer))}"


def _call(name: str, tool: Tool, literal: Literals) -> str:
    to = literal(f" to={NAMESPACE}{tool.name}")
    arguments = f"%json {with_form(tool.schema())}"
    return f"{name}: ({to} channel | channel {to}) type {literal(MESSAGE)} {arguments}"
