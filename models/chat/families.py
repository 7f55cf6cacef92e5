"""Which family of models writes calls in which way, and which one a chat template is of."""

# ruff: noqa: RUF001  # DeepSeek's tokens are written with such letters

import re

from models.chat.syntax import CallSyntax
from models.errors import InvalidInputError

GENERIC = "hermes"  # for templates that know no tools: the form that most models have seen

FAMILIES: dict[str, CallSyntax] = {
    # Qwen 2.5 and 3, Hermes, Granite 4, SmolLM 3
    "hermes": CallSyntax(
        trigger="<tool_call>", first='\n{"name": "', before_arguments='", "arguments": ',
        after="}\n</tool_call>", between='\n<tool_call>\n{"name": "',
    ),
    # Llama 3.1 to 3.3
    "llama3_json": CallSyntax(
        trigger='{"name": "', first="", before_arguments='", "parameters": ', after="}",
        between='; {"name": "', anywhere=False,
    ),
    # Mistral 7B v0.3, Nemo, Small 3
    "mistral": CallSyntax(
        trigger="[TOOL_CALLS]", first='[{"name": "', before_arguments='", "arguments": ',
        after="}", between=', {"name": "', closing="]",
    ),
    # Mistral Small 3.2, Magistral, Devstral
    "mistral_args": CallSyntax(
        trigger="[TOOL_CALLS]", first="", before_arguments="[ARGS]", after="",
        between="[TOOL_CALLS]",
    ),
    # DeepSeek V3, R1
    "deepseek_v3": CallSyntax(
        trigger="<｜tool▁calls▁begin｜>", first="<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
        before_arguments="\n```json\n", after="\n```<｜tool▁call▁end｜>",
        between="\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>", closing="<｜tool▁calls▁end｜>",
    ),
    # DeepSeek V3.1
    "deepseek_v31": CallSyntax(
        trigger="<｜tool▁calls▁begin｜>", first="<｜tool▁call▁begin｜>",
        before_arguments="<｜tool▁sep｜>", after="<｜tool▁call▁end｜>",
        between="<｜tool▁call▁begin｜>", closing="<｜tool▁calls▁end｜>",
    ),
    # Granite 3, Phi 4 mini
    "granite": CallSyntax(
        trigger="<|tool_call|>", first='[{"name": "', before_arguments='", "arguments": ',
        after="}", between=', {"name": "', closing="]",
    ),
}  # fmt: skip

# What a template of a family holds, the most telling first.
_SIGNS = (
    (r"\[TOOL_CALLS\].*\[ARGS\]|\[ARGS\].*\[TOOL_CALLS\]", "mistral_args"),
    (r"\[TOOL_CALLS\]", "mistral"),
    (r"<｜tool▁sep｜>.*```json", "deepseek_v3"),
    (r"<｜tool▁sep｜>", "deepseek_v31"),
    (r"<\|tool_call\|>", "granite"),
    (r"<tool_call>.*<function=|<function=.*<tool_call>", ""),  # XML: not served
    (r"<tool_call>", "hermes"),
    (r'"parameters": ', "llama3_json"),
)


def family_of(template: object) -> str:
    """Names the family by what a chat template holds; empty: none that is known."""
    text = str(template)
    return next((name for sign, name in _SIGNS if re.search(sign, text, re.DOTALL)), "")


def syntax_of(family: str) -> CallSyntax:
    """Gives the marks of a family.

    Raises:
        InvalidInputError: there is none of this name.
    """
    if family not in FAMILIES:
        msg = f"tool_parser must be one of {', '.join(FAMILIES)}, got {family!r}"
        raise InvalidInputError(msg)
    return FAMILIES[family]
