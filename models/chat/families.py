"""Which family of models writes calls in which way, and which one a chat template is of."""

# ruff: noqa: RUF001  # DeepSeek's tokens are written with such letters

import re
from dataclasses import replace

from models.chat.parameters import Parameters
from models.chat.syntax import CallSyntax
from models.errors import InvalidInputError

GENERIC = "hermes"  # for templates that know no tools: the form that most models have seen

_PYTHON = Parameters(
    begin="", before_value="=", after="", between=", ", quotes_texts=True, is_python=True
)

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
    # Jamba, Hunyuan A13B
    "jamba": CallSyntax(
        trigger="<tool_calls>", first='[{"name": "', before_arguments='", "arguments": ',
        after="}", between=', {"name": "', closing="]</tool_calls>",
    ),
    # Qwen3-Coder, Qwen 3.5, Nemotron 3, Step 3.5
    "qwen3_coder": CallSyntax(
        trigger="<tool_call>", first="\n<function=", before_arguments=">\n",
        after="</function>\n</tool_call>", between="\n<tool_call>\n<function=",
        parameters=Parameters(
            begin="<parameter=", before_value=">\n", after="\n</parameter>\n",
        ),
    ),
    # Seed OSS
    "seed_oss": CallSyntax(
        trigger="<seed:tool_call>", first="\n<function=", before_arguments=">\n",
        after="</function>\n</seed:tool_call>", between="\n<seed:tool_call>\n<function=",
        parameters=Parameters(begin="<parameter=", before_value=">", after="</parameter>\n"),
    ),
    # MiniMax M2
    "minimax_m2": CallSyntax(
        trigger="<minimax:tool_call>", first='\n<invoke name="', before_arguments='">\n',
        after="</invoke>\n", between='<invoke name="', closing="</minimax:tool_call>",
        parameters=Parameters(
            begin='<parameter name="', before_value='">', after="</parameter>\n"
        ),
    ),
    # GLM 4.5 and 4.6
    "glm45": CallSyntax(
        trigger="<tool_call>", first="", before_arguments="\n", after="</tool_call>",
        between="\n<tool_call>",
        parameters=Parameters(
            begin="<arg_key>", before_value="</arg_key>\n<arg_value>", after="</arg_value>\n",
        ),
    ),
    # GLM 4.7
    "glm47": CallSyntax(
        trigger="<tool_call>", first="", before_arguments="", after="</tool_call>",
        between="<tool_call>",
        parameters=Parameters(
            begin="<arg_key>", before_value="</arg_key><arg_value>", after="</arg_value>",
        ),
    ),
    # Llama 3.2 and 4 by templates that ask for it, ToolACE
    "pythonic": CallSyntax(
        trigger="[", first="", before_arguments="(", after=")", between=", ", closing="]",
        anywhere=False, parameters=_PYTHON,
    ),
    # LFM 2
    "lfm2": CallSyntax(
        trigger="<|tool_call_start|>", first="[", before_arguments="(", after=")", between=", ",
        closing="]<|tool_call_end|>", parameters=_PYTHON,
    ),
    # OLMo 3
    "olmo3": CallSyntax(
        trigger="<function_calls>", first="", before_arguments="(", after=")", between="\n",
        closing="</function_calls>", parameters=replace(_PYTHON, is_python=False),
    ),
    # Kimi K2, K2 Thinking and K2.5
    "kimi_k2": CallSyntax(
        trigger="<|tool_calls_section_begin|>", first="<|tool_call_begin|>",
        namespace="functions.", is_numbered=True,
        before_arguments="<|tool_call_argument_begin|>", after="<|tool_call_end|>",
        between="<|tool_call_begin|>", closing="<|tool_calls_section_end|>",
    ),
    # DeepSeek V3.2
    "deepseek_v32": CallSyntax(
        trigger="<｜DSML｜function_calls>", first='\n<｜DSML｜invoke name="',
        before_arguments='">\n', after="</｜DSML｜invoke>\n", between='<｜DSML｜invoke name="',
        closing="</｜DSML｜function_calls>",
        parameters=Parameters(
            begin='<｜DSML｜parameter name="', before_value='" string="false">',
            before_text='" string="true">', after="</｜DSML｜parameter>\n",
        ),
    ),
    # Gemma 4
    "gemma4": CallSyntax(
        trigger="<|tool_call>", first="call:", before_arguments="{", after="}<tool_call|>",
        between="<|tool_call>call:",
        parameters=Parameters(
            begin="", before_value=":", after="", between=",", quote='<|"|>',
        ),
    ),
}  # fmt: skip

# What a template of a family holds, the most telling first.
_SIGNS = (
    (r"<\|START_ACTION\|>", ""),  # Command R7B and A, whose calls are not read
    (r"^(?!.*tool_calls>).*｜DSML｜", "deepseek_v32"),
    (r"<\|tool_calls_section_begin\|>", "kimi_k2"),
    (r"<\|tool_call>call:", "gemma4"),
    (r"<function_calls>", "olmo3"),
    (r"\[TOOL_CALLS\].*\[ARGS\]|\[ARGS\].*\[TOOL_CALLS\]", "mistral_args"),
    (r"\[TOOL_CALLS\]", "mistral"),
    (r"<｜tool▁sep｜>.*```json", "deepseek_v3"),
    (r"<｜tool▁sep｜>", "deepseek_v31"),
    (r"<\|tool_call\|>", "granite"),
    (r"<seed:tool_call>", "seed_oss"),
    (r"<minimax:tool_call>", "minimax_m2"),
    (r"</arg_key><arg_value>", "glm47"),
    (r"<arg_key>", "glm45"),
    (r"<tool_call>.*<function=|<function=.*<tool_call>", "qwen3_coder"),
    (r"<tool_call>", "hermes"),
    (r"<tool_calls>", "jamba"),
    (r"<\|tool_call_start\|>|<\|tool_list_start\|>", "lfm2"),
    (r"\[func(tion)?_name\d?\(", "pythonic"),
    (r'\{\\?"name\\?": [^,]*,[^a-zA-Z]*"parameters\\?": ', "llama3_json"),  # no list of tools
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
