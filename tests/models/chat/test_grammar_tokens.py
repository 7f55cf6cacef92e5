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


PARAMETERS = {"properties": {"a": {"type": "string"}, "n": {"type": "integer"}}}


class Family:
    """A family whose marks are tokens of a tokenizer."""

    def __init__(self, name):
        self.syntax = FAMILIES[name]
        tokenizer = json.loads(_spelling((FULL / "tokenizer.json").read_text()))
        self.ids = {}
        for token, mark in zip(tokenizer["added_tokens"][-4:], CONTROL[name], strict=False):
            vocabulary = tokenizer["model"]["vocab"]
            vocabulary[mark] = vocabulary.pop(token["content"])
            token |= {"content": mark, "special": True}
            self.ids[mark] = token["id"]
        spelling = json.dumps(tokenizer)
        self._reader = LLTokenizer(spelling, n_vocab=6144, eos_token=1)
        self._encoders = Tokenizer.from_str(spelling), Tokenizer.from_file(f"{FULL}/tokenizer.json")

    def encoded(self, text, *, with_tokens=True):
        encoder = self._encoders[0 if with_tokens else 1]
        return encoder.encode(text, add_special_tokens=False).ids

    def taken(self, choice, written):
        """How many of the ids may come, and whether the answer may end with them."""
        use = ToolUse(tools=(Tool(name="f", parameters=json.dumps(PARAMETERS)),), choice=choice)
        rules = CallGrammar(self.syntax, self.ids).rules(use, after_thoughts=False)
        matcher = LLMatcher(self._reader, LLMatcher.grammar_from_lark(rules), log_level=0)
        return matcher.try_consume_tokens(written), matcher.is_accepting()


@pytest.fixture(params=CONTROL)
def family(request):
    return Family(request.param)


def test_marks_may_be_control_tokens_wherever_they_stand(family):
    for choice, before in (("required", ""), ("auto", ""), ("auto", "1 < 2 <")):
        for given in ({"a": "x < y</", "n": 5}, {"a": ""}, {"n": 1}, {}):
            text = before + family.syntax.written((("f", json.dumps(given)),) * 2)
            written = family.encoded(text)
            assert family.taken(choice, written) == (len(written), True)


def test_a_text_may_not_hold_the_mark_at_its_end_in_other_ids(family):
    if family.syntax.parameters is None:
        pytest.skip("its arguments are JSON")
    written = family.syntax.written((("f", json.dumps({"a": "zqz"})),))
    before, after = written.split("zqz")
    mark = family.syntax.parameters.quote or family.syntax.parameters.after.strip()
    for text, is_taken in ((f"z{mark[:-1]} q", True), (f"z{mark} q", False)):
        ids = [*family.encoded(before), *family.encoded(text, with_tokens=False)]
        ids += family.encoded(after)
        assert (family.taken("required", ids) == (len(ids), True)) is is_taken


def test_text_may_not_hold_the_mark_before_calls_in_other_ids(family):
    trigger = family.syntax.trigger
    if not set(family.ids) & {trigger, "｜DSML｜"}:
        pytest.skip("it is no control token")
    for text, is_taken in ((f"So {trigger[:-1]} q", True), (f"So {trigger} q", False)):
        ids = family.encoded(text, with_tokens=False)
        assert (family.taken("auto", ids) == (len(ids), True)) is is_taken
