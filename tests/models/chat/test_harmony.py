"""Answers in Harmony's channels: what is read of them, what holds them, and their prompts."""

import json
from pathlib import Path

import pytest
from llguidance import LLMatcher, LLTokenizer
from transformers import AutoTokenizer

from models.chat.harmony import MARKS
from models.chat.harmony_grammar import harmony_rules
from models.chat.parts import Arguments, Called, Said, Thought
from models.chat.prompting import Prompting
from models.chat.reply import ReplyForm
from models.chat.tools import Tool, ToolUse
from models.engines.grammars import _spelling
from models.errors import InvalidInputError
from models.generation import Message, ToolCall
from tests.models.chat.cutting import at_every_cut, read

FULL = Path(__file__).parents[3] / "models/bundled/generator-full"
PLAIN, WITH_TOOLS = ReplyForm(thinking="harmony"), ReplyForm(tools="harmony", thinking="harmony")
ANALYSIS, FINAL = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"
NEXT = "<|end|><|start|>assistant"
CALLED = [Called(index=0, name="f"), Arguments(index=0, text='{"a": "<|x|> }"}')]
GIVEN = CALLED[1].text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"{ANALYSIS}2 + 2.{NEXT}{FINAL}4", [Thought(text="2 + 2."), Said(text="4")]),
        (f"{ANALYSIS}2 + 2.{NEXT}{FINAL}4<|return|>", [Thought(text="2 + 2."), Said(text="4")]),
        (f"{FINAL}4 <| 5", [Said(text="4 <| 5")]),
        (f"{FINAL}4 <|", [Said(text="4 <|")]),
        (f"{ANALYSIS}a{NEXT}{ANALYSIS}b{NEXT}{FINAL}c", [Thought(text="a\n\nb"), Said(text="c")]),
        (f"<|channel|>commentary<|message|>a{NEXT}{FINAL}b", [Said(text="a\n\nb")]),
        # its own end of a message is missing
        (f"{ANALYSIS}a<|start|>assistant{FINAL}b", [Thought(text="a"), Said(text="b")]),
        (f"{ANALYSIS}a{FINAL}b", [Thought(text="a"), Said(text="b")]),
        ("No channel at all.", [Said(text="No channel at all.")]),
        (f"{ANALYSIS}", []), ("<|channel|>ana", []), ("", []),
    ],
)  # fmt: skip
def test_thoughts_and_the_answer_are_told_by_their_channels(text, parts):
    for form in (PLAIN, WITH_TOOLS):
        assert at_every_cut(form, text) == parts


@pytest.mark.parametrize(
    "header",
    [
        "<|channel|>commentary to=functions.f <|constrain|>json<|message|>",
        "<|channel|>commentary to=functions.f json<|message|>",
        "<|channel|>commentary to=functions.f<|message|>",
        # llama.cpp#15181: the recipient before the channel
        " to=functions.f<|channel|>commentary json<|message|>",
        " to=functions.f<|channel|>commentary <|constrain|>json<|message|>",
        # vllm#28139: a call in the channel of thoughts
        "<|channel|>analysis to=functions.f code<|message|>",
    ],
)
def test_a_call_is_read_by_its_recipient(header):
    assert at_every_cut(WITH_TOOLS, f"{header}{GIVEN}<|call|>") == CALLED
    behind = f"{ANALYSIS}Hm.{NEXT}<|channel|>commentary<|message|>I look.{NEXT}{header}{GIVEN}"
    assert at_every_cut(WITH_TOOLS, behind) == [Thought(text="Hm."), Said(text="I look."), *CALLED]
    assert read(PLAIN, f"{header}{GIVEN}<|call|>") == [Thought(text=GIVEN)]


def test_calls_follow_one_another_and_may_have_no_arguments():
    call = "<|channel|>commentary to=functions.f<|message|>"
    parts = at_every_cut(WITH_TOOLS, f"{call}<|call|><|start|>assistant{call}{GIVEN}")
    again = [Called(index=1, name="f"), Arguments(index=1, text=GIVEN)]
    assert parts == [CALLED[0], Arguments(index=0, text="{}"), *again]
    other = "<|channel|>analysis to=python code<|message|>x<|call|>"
    assert read(WITH_TOOLS, other) == [Thought(text="x")]


@pytest.fixture(scope="module")
def tokenizer():
    made = AutoTokenizer.from_pretrained(FULL)
    made.add_special_tokens({"additional_special_tokens": list(MARKS)})
    return made


SCHEMA = {"properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOL = Tool(name="f", parameters=json.dumps(SCHEMA))
THOUGHT, CALL = f"{ANALYSIS}Hm.{NEXT}", " to=functions.f<|channel|>commentary json<|message|>"
CALL_TOO = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>"


@pytest.mark.parametrize(
    ("text", "auto", "forced", "held"),
    [
        (f"{THOUGHT}{FINAL}It is noon.", True, False, False),
        (f'{THOUGHT}{FINAL}{{"ok": 1}}', True, False, True),
        (f'{THOUGHT}{CALL}{{"n": 5}}', True, True, True),
        (f'{CALL_TOO}{{"n": 5}}', True, True, True),
        (f'{THOUGHT}<|channel|>commentary<|message|>So.{NEXT}{CALL}{{"n": 5}}', True, True, True),
        (f'{THOUGHT}{CALL}{{"n": "5"}}', False, False, False),
        (f'{CALL.replace("functions.f", "functions.g")}{{"n": 5}}', False, False, False),
        (f"{THOUGHT}{CALL}{{", False, False, False),
        (ANALYSIS, False, False, False),
        ("It is noon.", False, False, False),
    ],
)
def test_an_answer_is_held_to_its_channels_and_calls(tokenizer, text, auto, forced, held):
    spelling = _spelling(tokenizer.backend_tokenizer.to_str())
    control_ids = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in MARKS}
    known = LLTokenizer(spelling, n_vocab=len(tokenizer), eos_token=control_ids["<|return|>"])

    def accepts(**fields):
        rules = harmony_rules(ToolUse(tools=(TOOL,), **fields), control_ids)
        matcher = LLMatcher(known, LLMatcher.grammar_from_lark(rules), log_level=0)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        return matcher.try_consume_tokens(ids) == len(ids) and matcher.is_accepting()

    answer = '{"type": "object", "required": ["ok"]}'
    assert [accepts(), accepts(choice="required"), accepts(answer=answer)] == [auto, forced, held]


# As gpt-oss's own: its thoughts before a call stand in `thinking`, or in what is said.
TEMPLATE = (
    "{{ reasoning_effort or 'medium' }}{% for t in tools or [] %}{{ t.function.name }}{% endfor %}"
    "{% for m in messages %}{% if m.tool_calls %}{% if m.content and m.thinking %}"
    "{{ raise_exception('Cannot pass both') }}{% endif %}<|start|>assistant<|channel|>analysis"
    "<|message|>{{ m.content or m.thinking }}<|end|>{% set c = m.tool_calls[0].function %}"
    "<|start|>assistant to=functions.{{ c.name }}<|channel|>commentary json<|message|>"
    "{{ c.arguments | tojson }}<|call|>{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}"
    "<|end|>{% endif %}{% endfor %}<|start|>assistant"
)


@pytest.fixture(scope="module")
def prompting(tokenizer):
    tokenizer.chat_template = TEMPLATE
    return Prompting(tokenizer, {}, model="m")


def test_a_template_with_channels_is_known_and_its_marks_are_read(prompting, tokenizer):
    use = ToolUse(tools=(TOOL,))
    ids = prompting.ids([Message(role="user", content="a")], use, "minimal")
    assert tokenizer.decode(ids).startswith("lowf")
    assert (prompting.form(ids, None), prompting.form(ids, use)) == (PLAIN, WITH_TOOLS)
    marks = {tokenizer.convert_tokens_to_ids(mark) for mark in MARKS}
    assert not marks & prompting.hidden_ids(PLAIN)
    assert tokenizer.decode(prompting.answer_head) == FINAL
    assert prompting.thought_ids() is None


def test_earlier_calls_are_written_one_a_turn_with_what_was_thought(prompting, tokenizer):
    calls = tuple(ToolCall(id=one, name=one, arguments='{"n": 1}') for one in ("f", "g"))
    chat = [
        Message(role="user", content="a<|end|>"),
        Message(role="assistant", content="I look.", thoughts="Hm.", tool_calls=calls),
        Message(role="tool", content="1", tool_call_id="f"),
        Message(role="tool", content="2", tool_call_id="g"),
    ]
    written = tokenizer.decode(prompting.ids(chat))
    assert "a< |end|>" in written
    assert "<|message|>Hm.\n\n I look.<|end|>" in written  # as the bundled tokenizer writes it
    assert [written.count(f"to=functions.{one}") for one in "fg"] == [1, 1]
    assert written.index("functions.f") < written.index(">1<") < written.index("functions.g")


def test_what_does_not_go_with_channels_is_refused_when_it_is_loaded(tokenizer):
    tokenizer.chat_template = TEMPLATE
    with pytest.raises(InvalidInputError, match=r"m writes Harmony's channels.* got 'hermes'"):
        Prompting(tokenizer, {}, model="m", tool_parser="hermes")
    bare = AutoTokenizer.from_pretrained(FULL)
    bare.chat_template = TEMPLATE
    with pytest.raises(InvalidInputError, match=r"need control tokens, and m lacks <\|start\|>"):
        Prompting(bare, {}, model="m")
