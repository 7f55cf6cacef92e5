"""Calls and thoughts in the text of an answer, wherever the text is cut."""

# ruff: noqa: RUF001  # DeepSeek's tokens are written with such letters

import json
from dataclasses import replace

import pytest

from models.chat.families import FAMILIES, family_of, syntax_of
from models.chat.parts import Arguments, Called, Said, Thought
from models.chat.reading import CallReader
from models.chat.reply import ReplyForm, reader_of
from models.chat.tools import Tool, ToolUse
from models.errors import InvalidInputError
from tests.models.chat.cutting import at_every_cut, read

GIVEN = {"cmd": 'mkdir {a,b} "]}\\', "at": {"n": [1, {}]}, "é": "→ [1]"}
CALLS = (("clock", "{}"), ("run.it_2-x", json.dumps(GIVEN, ensure_ascii=False)))
READ = [
    Called(index=0, name=CALLS[0][0]), Arguments(index=0, text=CALLS[0][1]),
    Called(index=1, name=CALLS[1][0]), Arguments(index=1, text=CALLS[1][1]),
]  # fmt: skip


def form_of(family):
    """The form of an answer with `CALLS`, whose texts are told beside it."""
    parameters = FAMILIES[family].parameters
    is_told = parameters is not None and not parameters.quotes_texts
    texts = (("run.it_2-x", "cmd"), ("run.it_2-x", "é")) if is_told else ()
    return ReplyForm(tools=family, texts=texts)


def is_blank(part):
    return isinstance(part, Said) and not part.text.strip()


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_writes_is_read_wherever_it_is_cut(family):
    form, written = form_of(family), FAMILIES[family].written(CALLS)
    assert at_every_cut(form, written) == READ
    assert [one for one in at_every_cut(form, f"\n{written}\n") if not is_blank(one)] == READ
    if FAMILIES[family].anywhere:
        assert at_every_cut(form, f"One < two. {written}") == [Said(text="One < two. "), *READ]
    thinking = replace(form, thinking="think")
    parts = at_every_cut(thinking, f"<think>\nA [b]? </thin \n</think>\n\n{written}")
    assert parts == [Thought(text="A [b]? </thin"), *READ]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_call_ends_thoughts_where_its_mark_is_no_bracket(family):
    """vLLM reads Qwen 3, GLM 4.7 and Kimi so: they forget the end of thoughts before a call."""
    written = FAMILIES[family].written(CALLS)
    form = replace(form_of(family), thinking="think", is_thinking=True)
    ends = [Thought(text="I look. <"), *READ], [Thought(text=f"I look. <\n{written}")]
    told = at_every_cut(form, f"I look. <\n{written}")
    assert told == ends[not FAMILIES[family].anywhere]
    untold = replace(form, calls_end_thoughts=False)
    assert at_every_cut(untold, f"I look. <\n{written}", cuts=False) == ends[1]
    without = replace(form, tools="", texts=())
    assert at_every_cut(without, f"I look. <\n{written}", cuts=False) == ends[1]


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


def given(family, text, texts=()):
    """The arguments of each call in a text, and what else is said."""
    parts = at_every_cut(ReplyForm(tools=family, texts=tuple(texts)), text)
    said = "".join(part.text for part in parts if isinstance(part, Said)).strip()
    return [json.loads(part.text) for part in parts if isinstance(part, Arguments)], said


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("""'grep -F "]" log.txt'""", 'grep -F "]" log.txt'),
        ('"hello]world), b=(1"', "hello]world), b=(1"),
        ("'It\\'s'", "It's"),
        ("'ends in \\\\'", "ends in \\"),
        ("'\\d+ \\x41 \\u00e9 \\n'", "\\d+ A é \n"),
        ("'two\nlines'", "two\nlines"),
        ('"{a: 1}"', "{a: 1}"),
        ("-74.0046539", -74.0046539),
        ("1e3", 1000.0),
        ("(800, 600)", [800, 600]),
        ("[]", []),
        ("[True, None, {'k': [False, 'x']}]", [True, None, {"k": [False, "x"]}]),
        ('{"k": {"n": null, "t": true}}', {"k": {"n": None, "t": True}}),
        ("True", True),
        ("false", False),
        ("None", None),
    ],
)
def test_literals_of_python_are_read_as_json(written, value):
    calls = f"[f(from={written}, b = 2), g()]"
    assert given("pythonic", calls) == ([{"from": value, "b": 2}, {}], "")
    lfm = f"Well. <|tool_call_start|> {calls}<|tool_call_end|> Done."
    assert given("lfm2", lfm) == ([{"from": value, "b": 2}, {}], "Well.  Done.")
    xml = f"<function=f>\n<parameter=a>\n{written}\n</parameter>\n</function>"
    assert given("qwen3_coder", f"<tool_call>\n{xml}\n</tool_call>") == ([{"a": value}], "")


@pytest.mark.parametrize(
    "text", ["[1] It is 8000.", "[O'Reilly]", "[see (2)]", "[]", "[f", "[f, g(1)]", "a [f(x=1)]"]
)
def test_brackets_that_hold_no_call_are_text(text):
    assert given("pythonic", text) == ([], text)


@pytest.mark.parametrize("family", ["qwen3_coder", "seed_oss", "minimax_m2", "glm45", "glm47"])
@pytest.mark.parametrize(
    "text",
    ["", "5", "null", "\n\nif a < b:\n\tprint('</p>')\n", '"quoted"', "</tool", "</function>",
     "a </parameter", "a </arg_valu", "<parameter=b>", "\\n", "é\u2028→"],
)  # fmt: skip
def test_texts_are_read_as_they_are_written(family, text):
    written = FAMILIES[family].written((("f", json.dumps({"a": text, "n": [text]})),) * 2)
    told = [{"a": text, "n": [text]}] * 2
    assert given(family, written, [("f", "a")]) == (told, "")


@pytest.mark.parametrize("family", ["qwen3_coder", "seed_oss", "minimax_m2", "glm45", "glm47"])
@pytest.mark.parametrize(
    ("written", "value"),
    [("null", None), ("None", None), ("nul", "nul"), ("nullable", "nullable"), ("", ""),
     ("\nNone of it", "\nNone of it"), ('"null"', '"null"'), ("5", "5")],
)  # fmt: skip
def test_a_text_that_may_be_null_is_read_by_its_schema(family, written, value):
    text = FAMILIES[family].written((("f", json.dumps({"a": written, "n": 1})),))
    form = ReplyForm(tools=family, texts=(("f", "a"),), nullable=(("f", "a"),))
    parts = at_every_cut(form, text)
    assert [json.loads(one.text) for one in parts[1:]] == [{"a": value, "n": 1}]
    schema = {"properties": {"a": {"type": ["string", "null"]}, "n": {"type": "integer"}}}
    use = ToolUse(tools=(Tool(name="f", parameters=json.dumps(schema)),))
    assert FAMILIES[family].nullable(use) == FAMILIES[family].texts(use) == (("f", "a"),)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("qwen3_coder", "<tool_call><function=f><parameter=a>x</parameter><parameter=n> 5 "
                        "</parameter></function></tool_call>"),
        ("qwen3_coder", "<tool_call>\n\n<function=f>\n<parameter=a>\nx\n</parameter>\n\n"
                        "<parameter=n>\n5</parameter>\n</function>\n\n</tool_call>\n"),
        ("minimax_m2", '<minimax:tool_call><invoke name="f"><parameter name="a">x</parameter>\n'
                       '<parameter name="n">5</parameter></invoke></minimax:tool_call>'),
        ("glm45", "<tool_call>f<arg_key>a</arg_key><arg_value>x</arg_value><arg_key>n</arg_key>"
                  "<arg_value>5</arg_value></tool_call>"),
        ("glm47", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x</arg_value>\n"
                  "<arg_key>n</arg_key><arg_value>\n5\n</arg_value></tool_call>"),
    ],
)  # fmt: skip
def test_marks_of_parameters_may_stand_on_lines_of_their_own(family, text):
    assert given(family, text, [("f", "a")]) == ([{"a": "x", "n": 5}], "")


def test_a_long_text_is_told_as_it_comes():
    reader = reader_of(ReplyForm(tools="qwen3_coder", texts=(("f", "a"),)))
    reader.push("<tool_call>\n<function=f>\n<parameter=a>\n")
    assert reader.push("A long file") == [Arguments(index=0, text="A long file")]


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
    ("text", "parts"),
    [
        ("Alright.\n</think>\n\nHello!", [Thought(text="Alright."), Said(text="Hello!")]),
        ("<think>a</think>b", [Thought(text="a"), Said(text="b")]),
        (" No thoughts.", [Said(text="No thoughts.")]),
        ("</think>b", [Said(text="b")]),
        ("a </thin", [Said(text="a </thin")]),
        (f"I look. {FAMILIES['hermes'].written(CALLS)}", [Said(text="I look. "), *READ]),
        (f"a</think>{FAMILIES['hermes'].written(CALLS)}", [Thought(text="a"), *READ]),
    ],
)
def test_thoughts_may_lack_their_first_mark(text, parts):
    """vllm#12999."""
    assert at_every_cut(ReplyForm(tools="hermes", thinking="think", may_lack_mark=True), text) == (
        parts
    )


@pytest.mark.parametrize(
    ("template", "family"),
    [
        ("{{ '<tool_call>' }}", "hermes"), ("{{ '[TOOL_CALLS] [' }}", "mistral"),
        ("{{ '[TOOL_CALLS]' + name + '[ARGS]' }}", "mistral_args"),
        ("{{ '<｜tool▁sep｜>' + n + '\n```json\n' }}", "deepseek_v3"),
        ("{{ n + '<｜tool▁sep｜>' }}", "deepseek_v31"), ("{{ '<|tool_call|>' }}", "granite"),
        ("""{{- '{"name": "' + c.name + '", ' }}\n{{- '"parameters": ' }}""", "llama3_json"),
        ('{"name": function name, "parameters": dictionary of it}', "llama3_json"),
        # a list of tools tells of no calls, and Command R7B and A have calls of their own
        ('{"name": "{{ n }}", "description": "{{ d }}", "parameters": {{ p }}}', ""),
        ('<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {}}]', ""),
        ('{"name": "f", "parameters": {}}<|START_ACTION|>', ""), ("{{ messages }}", ""), (None, ""),
        ("<tool_call>\n<function=f>", "qwen3_coder"),
        ("<seed:tool_call>\n<function=f>", "seed_oss"),
        ("<minimax:tool_call>{{ '<invoke name=' }}", "minimax_m2"),
        ("<tool_call>{{ n }}\n<arg_key>{{ k }}</arg_key>\n<arg_value>", "glm45"),
        ("<tool_call>{{ n }}<arg_key>{{ k }}</arg_key><arg_value>", "glm47"),
        ("[func_name1(params_name1=params_value1), func_name2(params)]", "pythonic"),
        ("List of tools: <|tool_list_start|>[", "lfm2"), ("<tool_calls>[", "jamba"),
        ("<|tool_calls_section_begin|>{% for %}<|tool_call_begin|>{{ id }}", "kimi_k2"),
        ("{% set dsml = '｜DSML｜' %}<{{ dsml }}function_calls>", "deepseek_v32"),
        ("{% set dsml = '｜DSML｜' %}<{{ dsml }}tool_calls>", ""),  # V4's, which differ
        ("{{ '<|tool_call>call:' + name + '{' }}", "gemma4"), ("<function_calls>\nf()", "olmo3"),
    ],
)  # fmt: skip
def test_a_template_tells_its_family(template, family):
    assert family_of(template) == family


def test_an_unknown_family_is_refused_with_those_that_there_are():
    with pytest.raises(InvalidInputError, match=r"tool_parser must be one of hermes, .*'none'"):
        syntax_of("none")
    assert CallReader(syntax_of("hermes")).push("a") == [Said(text="a")]
