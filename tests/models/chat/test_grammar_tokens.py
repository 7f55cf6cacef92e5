"""Grammars of calls whose marks are control tokens, or hold one."""

# ruff: noqa: RUF001  # DeepSeek's tokens are written with such letters

import json
from pathlib import Path

import pytest
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer

from models.chat.families import FAMILIES
from models.chat.grammar import CallGrammar
from models.chat.tools import Tool, ToolUse
from models.engines.grammars import _spelling

FULL = Path(__file__).parents[3] / "models/bundled/generator-full"
CONTROL = {
    "kimi_k2": ("<|tool_calls_section_begin|>", "<|tool_call_begin|>", "<|tool_call_end|>"),
    "deepseek_v32": ("｜DSML｜",),  # within its marks
    "gemma4": ("<|tool_call>", "<tool_call|>", '<|"|>'),
    "qwen3_coder": ("</parameter>",),
}


@pytest.mark.parametrize("family", CONTROL)
def test_marks_may_be_control_tokens_wherever_they_stand(family):
    tokenizer = json.loads(_spelling((FULL / "tokenizer.json").read_text()))
    ids = {}
    for token, name in zip(tokenizer["added_tokens"][-4:], CONTROL[family], strict=False):
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary[name] = vocabulary.pop(token["content"])
        token |= {"content": name, "special": True}
        ids[name] = token["id"]
    spelling = json.dumps(tokenizer)
    reader = LLTokenizer(spelling, n_vocab=6144, eos_token=1)
    parameters = {"properties": {"a": {"type": "string"}, "n": {"type": "integer"}}}
    tools = (Tool(name="f", parameters=json.dumps(parameters)),)
    for choice, before in (("required", ""), ("auto", ""), ("auto", "1 < 2 <")):
        use = ToolUse(tools=tools, choice=choice)
        rules = CallGrammar(FAMILIES[family], ids).rules(use, after_thoughts=False)
        for given in ({"a": "x < y</", "n": 5}, {"a": ""}, {"n": 1}, {}):
            matcher = LLMatcher(reader, LLMatcher.grammar_from_lark(rules), log_level=0)
            text = before + FAMILIES[family].written((("f", json.dumps(given)),) * 2)
            written = Tokenizer.from_str(spelling).encode(text, add_special_tokens=False).ids
            assert (matcher.try_consume_tokens(written), matcher.is_accepting()) == (
                len(written), True,
            )  # fmt: skip
