"""Calls and thoughts in the text of an answer, wherever the text is cut."""

# ruff: noqa: RUF001  # DeepSeek's tokens are written with such letters

import json

import pytest

from models.chat.families import FAMILIES, family_of, syntax_of
from models.chat.parts import Arguments, Called, Said, Thought, joined
from models.chat.reading import CallReader
from models.chat.reply import ReplyForm, reader_of
from models.errors import InvalidInputError

CALLS = (
    ("clock", "{}"),
    ("run.it_2-x", json.dumps({"cmd": 'mkdir {a,b} "]}\\', "at": {"n": [1, {}]}, "é": "→ [1]"})),
)  # fmt: skip
READ = [
    Called(index=0, name=CALLS[0][0]), Arguments(index=0, text=CALLS[0][1]),
    Called(index=1, name=CALLS[1][0]), Arguments(index=1, text=CALLS[1][1]),
]  # fmt: skip


def read(form, *texts):
    reader = reader_of(form)
    parts = [part for text in texts for part in reader.push(text)]
    return joined([*parts, *reader.flush()])


def at_every_cut(form, text):
    """What is read of a text: whole, in two at every place, and character by character."""
    whole = read(form, text)
    for at in range(1, len(text)):
        assert read(form, text[:at], text[at:]) == whole, (text[:at], text[at:])
    assert read(form, *text) == whole
    return whole


def is_blank(part):
    return isinstance(part, Said) and not part.text.strip()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_writes_is_read_wherever_it_is_cut(family):
    form, written = ReplyForm(tools=family), FAMILIES[family].written(CALLS)
    assert at_every_cut(form, written) == READ
    assert [one for one in at_every_cut(form, f"\n{written}\n") if not is_blank(one)] == READ
    if FAMILIES[family].anywhere:
        assert at_every_cut(form, f"One < two. {written}") == [Said(text="One < two. "), *READ]
    thinking = ReplyForm(tools=family, thinking="think")
    parts = at_every_cut(thinking, f"<think>\nA {written}? </thin \n</think>\n\n{written}")
    assert parts == [Thought(text=f"A {written}? </thin"), *READ]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "text", ["", "No call, but a [1] mark.", "<tool [TOOL {", "<tool_cal", 'A {"name": x', "a\n\n"]
)
def test_what_is_no_call_is_text(family, text):
    assert read(ReplyForm(tools=family), *text) == ([Said(text=text)] if text else [])
    assert at_every_cut(ReplyForm(tools=family), text) == ([Said(text=text)] if text else [])


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("hermes", '<tool_call>{"name":"clock","arguments":{}}</tool_call><tool_call>{"name":"'),
        ("hermes", '<tool_call>\n\n{ "name" : "clock" , "arguments" :\n {} }\n</tool_call>\n'),
        ("mistral", '[TOOL_CALLS] [{"name":"clock","arguments":{}}]'),
        ("llama3_json", '  {"name": "clock", "parameters": {}}\n'),
    ],
)
def test_white_space_in_marks_does_not_count(family, text):
    said = [one for one in at_every_cut(ReplyForm(tools=family), text) if isinstance(one, Said)]
    assert "".join(one.text for one in said).strip() == ""
    assert [one for one in read(ReplyForm(tools=family), text) if one not in said] == READ[:2]


def test_what_does_not_go_on_like_a_call_stays_text():
    text = "Write <tool_call> before it, and </tool_call> after it."
    assert at_every_cut(ReplyForm(tools="hermes"), text) == [Said(text=text)]


def test_a_call_that_was_cut_off_is_given_as_far_as_it_came():
    text = '<tool_call>\n{"name": "clock", "arguments": {"zone": "Eur'
    assert read(ReplyForm(tools="hermes"), text) == [
        Called(index=0, name="clock"), Arguments(index=0, text='{"zone": "Eur'),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "text", "parts"),
    [
        ({}, "<think>a</think>b", [Thought(text="a"), Said(text="b")]),
        ({}, " \n<think> a\n\nb \n</think>\n\n c ", [Thought(text="a\n\nb"), Said(text="c ")]),
        ({}, "<think></think>b", [Said(text="b")]),
        ({}, "<think>a", [Thought(text="a")]),
        ({}, "<think>a </thi", [Thought(text="a </thi")]),
        ({}, "<thin", [Said(text="<thin")]),
        ({}, "b, no <think>a</think>", [Said(text="b, no <think>a</think>")]),
        ({"is_thinking": True}, "a</think>b", [Thought(text="a"), Said(text="b")]),
        ({"is_thinking": True}, "\na", [Thought(text="a")]),
    ],
)
def test_thoughts_are_told_from_the_answer(form, text, parts):
    assert at_every_cut(ReplyForm(thinking="think", **form), text) == parts


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("{{ '<tool_call>' }}", "hermes"), ("{{ '[TOOL_CALLS] [' }}", "mistral"),
        ("{{ '[TOOL_CALLS]' + name + '[ARGS]' }}", "mistral_args"),
        ("{{ '<｜tool▁sep｜>' + n + '\n```json\n' }}", "deepseek_v3"),
        ("{{ n + '<｜tool▁sep｜>' }}", "deepseek_v31"), ("{{ '<|tool_call|>' }}", "granite"),
        ("""{{- '"parameters": ' }}""", "llama3_json"), ("{{ messages }}", ""), (None, ""),
        ("<tool_call>\n<function=f>", ""),
    ],
)  # fmt: skip
def test_a_template_tells_its_family(template, family):
    assert family_of(template) == family


def test_an_unknown_family_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidInputError, match=r"tool_parser must be one of hermes, .*'none'"):
        syntax_of("none")
    assert CallReader(syntax_of("hermes")).push("a") == [Said(text="a")]
