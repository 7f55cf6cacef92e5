"""Answers that other servers were reported to read wrongly: each kind as a small input of our own.

Named by the issue or change that told of it (vLLM, sglang, llama.cpp and others).
"""

# ruff: noqa: RUF001  # DeepSeek's tokens are written with such letters

import json

import pytest

from models.chat.families import FAMILIES
from models.chat.parts import Arguments, Called, Said, Thought
from models.chat.reply import ReplyForm
from tests.models.chat.cutting import at_every_cut, read

KIMI = "<|tool_calls_section_begin|>{}<|tool_calls_section_end|>"
KIMI_CALL = "<|tool_call_begin|>functions.{}<|tool_call_argument_begin|>{}<|tool_call_end|>"
DSML = "<｜DSML｜function_calls>\n{}</｜DSML｜function_calls>"
INVOKE = '<｜DSML｜invoke name="{}">\n{}</｜DSML｜invoke>\n'
PARAMETER = '<｜DSML｜parameter name="{}" string="{}">{}</｜DSML｜parameter>\n'
GEMMA = "<|tool_call>call:{}<tool_call|>"


def calls(family, text, **form):
    """The calls of a text and their arguments, and what else is said and thought."""
    parts = at_every_cut(ReplyForm(tools=family, **form), text, cuts=False)
    names = [part.name for part in parts if isinstance(part, Called)]
    given = [json.loads(part.text) for part in parts if isinstance(part, Arguments)]
    said = "".join(part.text for part in parts if isinstance(part, Said | Thought))
    return list(zip(names, given, strict=True)), said


@pytest.mark.parametrize(
    ("text", "told", "said"),
    [
        # vllm#31207, #38353: text before a call stays, and none of its marks do
        ("I look. " + KIMI.format(KIMI_CALL.format("get_weather:0", '{"city": "Tokyo"}')),
         [("get_weather", {"city": "Tokyo"})], "I look. "),
        # vllm#38274: the end of a call and the begin of the next one in one piece
        (KIMI.format(KIMI_CALL.format("a:0", '{"n": 1}') + KIMI_CALL.format("b:1", "{}")),
         [("a", {"n": 1}), ("b", {})], ""),
        # vllm#38441: line breaks around an id
        (KIMI.format("<|tool_call_begin|>\nfunctions.a:0\n<|tool_call_argument_begin|>\n{}"
                     "<|tool_call_end|>"), [("a", {})], ""),
        # vllm#37184: braces, quotes and line breaks within a text
        (KIMI.format(KIMI_CALL.format("write:12", json.dumps({"text": 'f"{x}"}\n</'}))),
         [("write", {"text": 'f"{x}"}\n</'})], ""),
        # mlxcel#766: an id without its namespace; kimi-k2 without a number
        (KIMI.format("<|tool_call_begin|>get.it-x:3<|tool_call_argument_begin|>{}"
                     "<|tool_call_end|>"), [("get.it-x", {})], ""),
        (KIMI.format(KIMI_CALL.format("a", "{}")), [("a", {})], ""),
        # the section does not end
        ("<|tool_calls_section_begin|>" + KIMI_CALL.format("a:0", '{"n": {"m": []}}'),
         [("a", {"n": {"m": []}})], ""),
        # vllm#28543: other text within a section is no call
        ("<|tool_calls_section_begin|> hm", [], "<|tool_calls_section_begin|> hm"),
        ("<|tool_calls_section_begin|><|tool_call_begin|>functions.:0<|tool_call_end|>", [],
         "<|tool_calls_section_begin|><|tool_call_begin|>functions.:0<|tool_call_end|>"),
    ],
)  # fmt: skip
def test_calls_of_kimi(text, told, said):
    assert calls("kimi_k2", text) == (told, said)


@pytest.mark.parametrize(
    ("text", "told", "said"),
    [
        # vllm#36654, sglang#14695: none of the marks stay, and text before them does
        ("Let me see.\n\n" + DSML.format(INVOKE.format("a", PARAMETER.format("q", "true", "x"))),
         [("a", {"q": "x"})], "Let me see.\n\n"),
        # minja#11: several calls, letters of other alphabets, numbers beside texts
        (DSML.format(INVOKE.format("search", PARAMETER.format("query", "true", "搜索智能体 |")
                                   + PARAMETER.format("topn", "false", "10")) * 2),
         [("search", {"query": "搜索智能体 |", "topn": 10})] * 2, ""),
        # dynamo#4822: the mark says what is a text, whatever it looks like
        (DSML.format(INVOKE.format("a", PARAMETER.format("s", "true", "5")
                                   + PARAMETER.format("t", "true", "true")
                                   + PARAMETER.format("b", "false", "true")
                                   + PARAMETER.format("l", "false", '[{"a": "</p>"}, null]'))),
         [("a", {"s": "5", "t": "true", "b": True, "l": [{"a": "</p>"}, None]})], ""),
        # lucebox#649: no parameters; with and without line breaks
        (DSML.format(INVOKE.format("a", "")), [("a", {})], ""),
        ('<｜DSML｜function_calls><｜DSML｜invoke name="a"></｜DSML｜invoke>'
         "</｜DSML｜function_calls>", [("a", {})], ""),
        # angle brackets, quotes and half a mark within a text
        (DSML.format(INVOKE.format("a", PARAMETER.format("q", "true", '<a b="c">\n</｜DSML'))),
         [("a", {"q": '<a b="c">\n</｜DSML'})], ""),
        # the end of all calls is missing
        ("<｜DSML｜function_calls>\n" + INVOKE.format("a", ""), [("a", {})], ""),
        # GenericAgent#804: bars of other kinds make no mark
        ("<|DSML|function_calls>", [], "<|DSML|function_calls>"),
    ],
)  # fmt: skip
def test_calls_of_deepseek_v32(text, told, said):
    assert calls("deepseek_v32", text) == (told, said)


def test_a_text_may_be_longer_than_what_others_hold_back():
    """vllm#37184: calls of more than 8 KB were dropped."""
    given = {"text": 'f"{x}"</' * 1100}
    text = KIMI.format(KIMI_CALL.format("write:0", json.dumps(given)))
    assert json.loads(read(ReplyForm(tools="kimi_k2"), text)[1].text) == given


def test_half_a_mark_is_no_part_of_an_argument():
    """vllm#53227."""
    text = DSML.format(INVOKE.format("a", PARAMETER.format("q", "true", "Paris")))
    cut = text[: text.index("</｜DSML｜parameter>") + 8]
    parts = at_every_cut(ReplyForm(tools="deepseek_v32"), cut)
    assert parts == [Called(index=0, name="a"), Arguments(index=0, text='{"q": "Paris')]


@pytest.mark.parametrize(
    ("text", "told", "said"),
    [
        # ollama#15241: quotes within a text
        ('run{cmd:<|"|>echo "a, {b}" | c \'d\'<|"|>}', {"cmd": "echo \"a, {b}\" | c 'd'"}, ""),
        # mlx-vlm#914, AReno#35: objects within lists, and what follows them
        ('edit{edits:[{new:<|"|>orange<|"|>,old:<|"|>a: b<|"|>},{}],path:<|"|>t<|"|>}',
         {"edits": [{"new": "orange", "old": "a: b"}, {}], "path": "t"}, ""),
        ('f{loc:{city:<|"|>New, York<|"|>,at:[1.5,-2,3e4]},n:1}',
         {"loc": {"city": "New, York", "at": [1.5, -2, 3e4]}, "n": 1}, ""),
        # mistral.rs#2334: HTML, and what begins like the mark
        ('f{html:<|"|><iframe src="a"></iframe><|<|"<|"|>}',
         {"html": '<iframe src="a"></iframe><|<|"'}, ""),
        # vllm-mlx#383: bare texts, constants
        ("f{a:celsius,b:true,c:null,d:my-value,e:007,f:-1}",
         {"a": "celsius", "b": True, "c": None, "d": "my-value", "e": "007", "f": -1}, ""),
        # sglang#39240: the first mark of a text is missing
        ('f{query:weather in Tokyo<|"|>,n:2}', {"query": "weather in Tokyo", "n": 2}, ""),
        # omlx#1854, unsloth#5624: quotes of other notations
        ("f{a:'x, {y}',b:{c:\"New, York\"}}", {"a": "x, {y}", "b": {"c": "New, York"}}, ""),
        # names of members between marks
        ('f{a:{<|"|>k<|"|>:1},<|"|>b<|"|>:2}', {"a": {"k": 1}, "b": 2}, ""),
        ('f{a:<|"|>\n\t\\<|"|>}', {"a": "\n\t\\"}, ""),
        ("f{}", {}, ""),
        ('f{ a : <|"|>x<|"|> , b : 2 }', {"a": "x", "b": 2}, ""),
    ],
)  # fmt: skip
def test_calls_of_gemma(text, told, said):
    name = text.partition("{")[0]
    assert calls("gemma4", GEMMA.format(text)) == ([(name, told)], said)
    assert calls("gemma4", GEMMA.format(text) * 2)[0] == [(name, told)] * 2


def test_a_call_that_ends_but_for_its_last_mark_is_whole():
    for family, text in (
        ("gemma4", "<|tool_call>call:f{n:1}"),
        ("qwen3_coder", "<tool_call><function=f><parameter=n>1</parameter></function>"),
    ):
        assert calls(family, text) == ([("f", {"n": 1})], "")


def test_gemma_thinks_behind_a_word_that_is_no_thought():
    """waybarrios/vllm-mlx#383: the word came with the thoughts of a stream."""
    call = GEMMA.format("f{}")
    text = f"<|channel>thought\nthoughts of it<channel|>{call}"
    parts = at_every_cut(ReplyForm(tools="gemma4", thinking="gemma4"), text)
    assert parts[0] == Thought(text="thoughts of it")
    assert parts[1:] == [Called(index=0, name="f"), Arguments(index=0, text="{}")]
    for empty in ("<|channel>thought\n<channel|>b", "<|channel><channel|>b"):
        assert at_every_cut(ReplyForm(thinking="gemma4"), empty) == [Said(text="b")]
    assert at_every_cut(ReplyForm(thinking="gemma4"), "<|channel>though") == []
    begun = at_every_cut(ReplyForm(thinking="gemma4", is_thinking=True), "thought\na<channel|>b")
    assert begun == [Thought(text="thought\na"), Said(text="b")]


@pytest.mark.parametrize(
    ("text", "told", "said"),
    [
        # vllm#26143: calls on lines of their own, with and without blank lines
        ("<function_calls>a(x=1)\nb(y='z')</function_calls>",
         [("a", {"x": 1}), ("b", {"y": "z"})], ""),
        ("<function_calls>\na(x=1)\n\nb()\n</function_calls>", [("a", {"x": 1}), ("b", {})], ""),
        # mlx-lm#1271: constants of JSON, and of Python
        ("<function_calls>a(x=null, y=true, z=[None, False])</function_calls>",
         [("a", {"x": None, "y": True, "z": [None, False]})], ""),
        ("So. <function_calls>a(q=\"f(x)\\n</function_calls>\", d={'k': ['v']})</function_calls>",
         [("a", {"q": "f(x)\n</function_calls>", "d": {"k": ["v"]}})], "So. "),
        ("<function_calls>a()", [("a", {})], ""),
        ("<function_calls>none</function_calls>", [], "<function_calls>none</function_calls>"),
        ("<function_calls></function_calls>", [], "<function_calls></function_calls>"),
    ],
)  # fmt: skip
def test_calls_of_olmo(text, told, said):
    assert calls("olmo3", text) == (told, said)


@pytest.mark.parametrize("family", ["kimi_k2", "deepseek_v32", "gemma4", "olmo3"])
def test_a_call_cut_anywhere_ends_nothing(family):
    """What is there is given, and none of it is lost or made up."""
    text = FAMILIES[family].written((("f", '{"a": "x, \\"y\\"", "n": 12}'),))
    whole = at_every_cut(ReplyForm(tools=family, texts=(("f", "a"),)), text)
    full = [part.text for part in whole if isinstance(part, Arguments)]
    for end in range(len(text)):
        parts = at_every_cut(ReplyForm(tools=family, texts=(("f", "a"),)), text[:end], cuts=False)
        given = [part.text for part in parts if isinstance(part, Arguments)]
        assert all(one.startswith(part) for part, one in zip(given, full, strict=False))
