"""Calls whose marks are control tokens: from ids to parts, and on from any id elsewhere."""

# ruff: noqa: RUF001  # DeepSeek's tokens are written with such letters

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from models.chat.families import FAMILIES, GENERIC
from models.chat.parts import Arguments, Called, Said, Thought, joined
from models.chat.prompting import Prompting
from models.chat.reply import reader_of
from models.chat.tools import Tool, ToolUse
from models.detokenizer import AnswerText
from models.generation import EngineStep, GenerationRequest, Message

FULL = Path(__file__).parents[3] / "models/bundled/generator-full"
KIMI = "<|tool_calls_section_{0}|> <|tool_call_{0}|>"
TOKENS = {
    "kimi_k2": (
        *f"{KIMI.format('begin')} {KIMI.format('end')} <|tool_call_argument_begin|>".split(),
        "<think>", "</think>",
    ),
    "deepseek_v32": ("｜DSML｜", "<think>", "</think>"),
    "gemma4": ("<|tool_call>", "<tool_call|>", '<|"|>', "<|channel>", "<channel|>"),
}  # fmt: skip
TEMPLATE = "{% for t in tools or [] %}{{ t }}{% endfor %}{% for m in messages %}{{ m }}{% endfor %}"
USE = ToolUse(tools=(Tool(name="f", parameters='{"properties": {"é": {"type": "string"}}}'),))
GIVEN = '{"é": "→ <x>", "n": [1]}'


@pytest.mark.parametrize("family", TOKENS)
def test_an_answer_goes_on_from_any_of_its_ids(family):
    tokenizer = AutoTokenizer.from_pretrained(FULL)
    tokenizer.chat_template = TEMPLATE
    tokenizer.add_special_tokens({"additional_special_tokens": [*TOKENS[family], "<|other|>"]})
    thinking = "gemma4" if family == "gemma4" else "think"
    made = Prompting(
        tokenizer, {}, model="m", tool_parser=family, reasoning_parser=thinking
    )  # fmt: skip
    form = made.form((), USE)
    assert (form.tools, form.thinking) == (family, thinking) != (GENERIC, "")
    begin, end = TOKENS[family][-2:]
    calls = FAMILIES[family].written((("f", GIVEN),) * 2)
    label = "thought\n" if family == "gemma4" else ""
    text = f"{begin}{label}Hm.{end}I look.<|other|>{calls}"
    ids = tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
    whole, _ = parts_of(tokenizer, made, form, ids, 0)
    assert [type(part) for part in whole] == [Thought, Said, Called, Arguments, Called, Arguments]
    assert [part.text for part in whole[:2]] == ["Hm.", "I look."]
    assert whole[3].text.replace(" ", "") == GIVEN.replace(" ", "")
    for cut in range(len(ids)):
        assert parts_of(tokenizer, made, form, ids, cut)[0] == whole


def parts_of(tokenizer, made, form, ids, cut):
    """What is read of an answer whose replica is lost after so many ids."""
    reader, text = reader_of(form), ""
    parts = []
    for start, stop in ((0, cut), (cut, len(ids))):
        request = GenerationRequest(
            request_id="r", messages=(Message(role="user", content="a"),),
            delivered_token_ids=ids[:start], num_delivered_chars=len(text),
        )  # fmt: skip
        answer = AnswerText(
            tokenizer, request, "m", lambda *_: None, form=form, hidden_ids=made.hidden_ids(form)
        )
        for at in range(start, stop):
            reason = "stop" if at == len(ids) - 1 else None
            chunk = answer.extend(EngineStep(token_ids=(ids[at],), finish_reason=reason), 1)
            text += chunk.text
            parts += reader.push(chunk.text)
    return joined([*parts, *reader.flush()]), text
