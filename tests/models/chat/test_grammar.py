"""Grammars of calls: what they let through is what is read, and nothing else."""

import json
import random
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from llguidance import LLMatcher, LLTokenizer
from tokenizers import Tokenizer

from models.chat.families import FAMILIES
from models.chat.grammar import CallGrammar
from models.chat.parameters import ParameterGrammar
from models.chat.parts import joined
from models.chat.reply import ReplyForm, reader_of
from models.chat.tools import Tool, ToolUse
from models.constraints import Grammar
from models.engines.grammars import _spelling
from models.engines.mask_maker import MaskMaker, _checked
from models.engines.masks import unpack
from models.errors import InvalidInputError
from tests.models.tool_schemas import TOOL_SCHEMAS

FULL = Path(__file__).parents[3] / "models/bundled/generator-full"
CLOCK = Tool(name="clock", parameters='{"properties": {"zone": {"type": "string"}}}')
SUM = Tool(name="sum", parameters='{"type": "object", "properties": {"n": {"type": "integer"}}}')
CALLS = (("clock", '{"zone": "UTC"}'), ("sum", '{"n": 5}'))


@pytest.fixture(scope="module")
def accepts():
    """Says how far a text keeps to a grammar: `all` of it, its `start`, or not at all: `none`."""
    tokenizer_json = _spelling((FULL / "tokenizer.json").read_text())
    tokenizer = LLTokenizer(tokenizer_json, n_vocab=6144, eos_token=1)

    def told(family, text, use, *, after_thoughts=False):
        rules = CallGrammar(FAMILIES[family], {}).rules(use, after_thoughts=after_thoughts)
        matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(rules), log_level=0)
        ids = tokenizer.tokenize_bytes(text.encode())
        if matcher.try_consume_tokens(ids) < len(ids):
            return "none"
        return "all" if matcher.is_accepting() else "start"

    return told


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_held_to_what_it_writes(accepts, family):
    one, two = FAMILIES[family].written(CALLS[:1]), FAMILIES[family].written(CALLS)
    use = {how: ToolUse(tools=(CLOCK, SUM), choice=how) for how in ("auto", "required")}
    alone = ToolUse(tools=(CLOCK, SUM), parallel=False)
    for choice in use.values():
        assert accepts(family, one, choice) == accepts(family, two, choice) == "all"
        assert accepts(family, one.replace("clock", "other"), choice) == "none"
        assert accepts(family, two.replace("5", '"5"'), choice) == "none"
        assert accepts(family, one.replace("zone", "town"), choice) == "none"
        assert accepts(family, one[: len(one) // 2 + 4], choice) == "start"
        assert accepts(family, f"\n\n{one}", choice, after_thoughts=True) == "all"
    assert accepts(family, "It is noon.", use["auto"]) == "all"
    assert accepts(family, "It is noon.", use["required"]) == "none"
    assert (accepts(family, one, alone), accepts(family, two, alone)) == ("all", "none")
    named = ToolUse(tools=(CLOCK, SUM), named="sum")
    assert accepts(family, one, named) == accepts(family, two, named) == "none"
    assert accepts(family, FAMILIES[family].written(CALLS[1:]), named) == "all"
    mixed = "all" if FAMILIES[family].anywhere else "none"
    assert accepts(family, f"Well. {one}", use["auto"]) in (mixed, "all")


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - {"llama3_json"}))
def test_text_beside_calls_may_be_held_to_json(accepts, family):
    use = ToolUse(tools=(CLOCK,), answer='{"type": "object", "required": ["a"]}')
    assert accepts(family, '{"a": 1}', use) == "all"
    assert accepts(family, "It is noon.", use) == "none"
    assert accepts(family, FAMILIES[family].written(CALLS[:1]), use) == "all"


def test_calls_that_are_json_are_not_told_from_other_json():
    use = ToolUse(tools=(CLOCK,), answer="{}")
    with pytest.raises(InvalidInputError, match="no other JSON can be asked for beside tools"):
        CallGrammar(FAMILIES["llama3_json"], {}).rules(use, after_thoughts=False)


def test_control_tokens_are_named_by_their_ids():
    rules = CallGrammar(FAMILIES["mistral"], {"[TOOL_CALLS]": 9}).rules(
        ToolUse(tools=(CLOCK,)), after_thoughts=False
    )
    assert "start: text | TEXT <[9]> calls" in rules


@pytest.mark.parametrize("family", FAMILIES)
def test_thirty_tools_of_public_interfaces_make_one_grammar_within_its_limits(family):
    tools = tuple(
        Tool(name=name, parameters=json.dumps(schema)) for name, schema in TOOL_SCHEMAS.items()
    )
    rules = CallGrammar(FAMILIES[family], {}).rules(ToolUse(tools=tools), after_thoughts=False)
    assert list(_checked("grammar", rules)) == ["grammar"]


TEXT = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (TEXT, ["", "5", "\nif a < b:\n", 'a "b"', "</p>"], ["a</parameter>b"]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ["éé", "abc"], ["a", "abcd"]),
        ({"type": "string", "enum": ["a b", "c"]}, ["a b", "c"], ["a", "", '"c"']),
        ({"const": "c"}, ["c"], ["a"]),
        ({"type": "string", "pattern": "^[ab/]+$"}, ["ab", "a/b"], ['"ab"', "c", ""]),
        ({"type": "string", "pattern": "[ab]|c"}, ['"ab"'], ["ab", '"d"']),
        ({"type": "string", "format": "date"}, ["2024-02-29"], []),
        ({"type": "string", "maxLength": 5000}, ['"ab"'], ["ab"]),
        ({"type": ["string", "null"]}, ["ab", '"ab"', "null", "None"], ["a</parameter>b"]),
        ({"type": ["string", "null"], "maxLength": 1}, ["a", "null", "None"], ["ab", "nul"]),
        ({"anyOf": [{"const": "c"}, {"type": "null"}]}, ["c", "null", "None"], ["a", '"c"']),
        ({"anyOf": [TEXT, {"type": "null"}], "title": "A"}, ["ab", "null"], ["a</parameter>b"]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, ["5", "null"], ["ab"]),
        ({"type": "integer"}, ["5", "-1"], ['"5"', "5.5", ""]),
        ({"type": "array", "items": TEXT}, ['["a", "b"]'], ["a", "[1]"]),
        ({"type": "boolean"}, ["true"], ["True", "1"]),
        ({"$ref": "#/$defs/n"}, ["5"], ["a"]),
        (True, ["5", '{"a": 1}'], ["a"]),
    ],
)
def test_a_parameter_fits_its_schema(accepts, schema, good, bad):
    parameters = {
        "properties": {"a": schema},
        "required": ["a"],
        "$defs": {"n": {"type": "number"}},
    }
    use = ToolUse(tools=(Tool(name="f", parameters=json.dumps(parameters)),), choice="required")

    def told(value):
        marks = (
            "<tool_call>\n<function=f>\n<parameter=a>\n",
            "\n</parameter>\n</function>\n</tool_call>",
        )
        return accepts("qwen3_coder", value.join(marks), use)

    assert [told(one) for one in good] == ["all"] * len(good)
    assert "all" not in [told(one) for one in bad]


def test_parameters_stand_once_in_their_order_and_are_left_out_where_they_may(accepts):
    flag = {"type": "boolean"}
    tool = Tool(name="f", parameters=json.dumps(
        {"properties": {"a": flag, "b": flag, "c": flag}, "required": ["b"]}
    ))  # fmt: skip
    use = ToolUse(tools=(tool,), choice="required")
    for given in ("b=True", "a=True, b=False", "b=True, c=True", "a=False, b=True, c=False"):
        assert accepts("pythonic", f"[f({given})]", use) == "all"
    for given in (
        "",
        "a=True",
        "c=True",
        "b=True, a=True",
        "b=True, b=True",
        "b=True,",
        ", b=True",
    ):
        assert accepts("pythonic", f"[f({given})]", use) == "none"


def test_brackets_are_free_where_no_call_opens_with_them(accepts):
    use = ToolUse(tools=(CLOCK,))
    for text in ("[1] It is noon.", "[]", "[see (2)]", "[a] and [clock(zone)]"):
        assert accepts("pythonic", text, use) == "all"
    for text in ("[cloc(", "[ clock(zone", "\n[other(zone"):
        assert accepts("pythonic", text, use) == "none"


def test_arguments_may_be_one_of_several_objects():
    either = [
        {"properties": {"kind": {"const": "x"}, "x": TEXT}, "required": ["kind", "x"]},
        {"$ref": "#/$defs/y"},
    ]
    y = {"properties": {"kind": {"const": "y"}, "x": {"type": "integer"}}, "required": ["kind"]}
    tool = Tool(name="f", parameters=json.dumps({"anyOf": either, "$defs": {"y": y}}))
    parameters = FAMILIES["glm45"].parameters
    assert parameters.texts(tool) == {"kind"}  # x is a text in one of them alone
    rules = ParameterGrammar(parameters, json.dumps).rules("args", tool)
    assert rules[0] == "args: args_v0 | args_v1"


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"oneOf": []}, "'f' must hold properties alone, got 'oneOf'"),
        ({"required": ["b"], "x": 1}, "hold properties alone, got 'x'"),
        (
            {"properties": {"a": {}}, "required": ["b"], "default": {}},
            "by names without marks, got 'b'",
        ),
        ({"properties": {"a b": {}}}, "by names without marks, got 'a b'"),
        ({"properties": {"a>": {}}}, "by names without marks, got 'a>'"),
        ({"$ref": "#/$defs/a"}, r"references in \$defs or definitions, got '#/\$defs/a'"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "at most 8 references"),
        ({"$ref": "#/$defs/a", "$defs": ["a"]}, "references in"),
        ({"anyOf": [{"properties": 5}]}, "have properties that are an object"),
        ({"anyOf": [{"required": [5]}]}, "by names without marks, got '5'"),
        ({"properties": {"a": None}}, "must tell of 'a' by a schema, got 'None'"),
        ({"properties": {"a\ud800": {}}}, "by names without marks"),
    ],
)
def test_a_schema_whose_parameters_cannot_be_listed_is_refused(schema, message):
    use = ToolUse(tools=(Tool(name="f", parameters=json.dumps(schema)),))
    with pytest.raises(InvalidInputError, match=message):
        CallGrammar(FAMILIES["qwen3_coder"], {}).rules(use, after_thoughts=False)


def test_a_small_schema_that_means_very_much_is_refused_before_it_is_written_out():
    """Choices within choices multiply, and each parameter has all definitions beside it."""
    choices = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 40} for n in range(3)}
    chain = {"$defs": choices | {"d3": {}}, "anyOf": [{"$ref": "#/$defs/d0"}] * 40}
    many = [f"p{n}" for n in range(3000)]
    wide = {"$defs": dict.fromkeys(many, True), "properties": dict.fromkeys(many, True)}
    for schema, message in ((chain, "at most 64 choices"), (wide, "at most 65536 characters")):
        use = ToolUse(tools=(Tool(name="f", parameters=json.dumps(schema)),))
        with pytest.raises(InvalidInputError, match=message):
            CallGrammar(FAMILIES["qwen3_coder"], {}).rules(use, after_thoughts=False)


@pytest.mark.parametrize(
    ("schema", "read"),
    [
        ({}, {"type": "object", "properties": {}, "additionalProperties": False}),
        ({"type": "object"}, {"type": "object", "properties": {}, "additionalProperties": False}),
        ({"properties": {}, "additionalProperties": True},
         {"type": "object", "properties": {}, "additionalProperties": True}),
        ({"$ref": "#/$defs/a", "$defs": {"a": {}}}, {"$ref": "#/$defs/a", "$defs": {"a": {}}}),
        ({"anyOf": [{}], "properties": {}}, {"type": "object", "anyOf": [{}], "properties": {}}),
        ({"required": ["a"]}, {"type": "object", "required": ["a"]}),
    ],
)  # fmt: skip
def test_what_a_schema_does_not_declare_is_not_asked_for(schema, read):
    assert Tool(name="f", parameters=json.dumps(schema)).schema() == read


@pytest.mark.parametrize("parameters", ["[]", "{", '{"type": "array"}', "null"])
def test_parameters_that_are_no_object_are_refused(parameters):
    with pytest.raises(InvalidInputError, match="parameters of tool 'f' must be"):
        Tool(name="f", parameters=parameters)


@pytest.mark.parametrize("name", ["", "a b", "a" * 65, "é", 'a"'])
def test_a_name_that_no_call_could_have_is_refused(name):
    with pytest.raises(InvalidInputError, match="name of a tool must have 1 to 64"):
        Tool(name=name)


def test_tools_need_names_of_their_own_and_a_choice_among_them():
    with pytest.raises(InvalidInputError, match="got 'clock' twice"):
        ToolUse(tools=(CLOCK, CLOCK))
    with pytest.raises(InvalidInputError, match="1 to 128 tools, got 0"):
        ToolUse(tools=())
    with pytest.raises(InvalidInputError, match="must name one of clock, got 'sum'"):
        ToolUse(tools=(CLOCK,), named="sum")


@pytest.mark.parametrize("family", FAMILIES)
async def test_calls_parse_whatever_a_model_likes_best(family):
    tokenizer_json = (FULL / "tokenizer.json").read_text()
    maker = MaskMaker(tokenizer_json, lambda texts: [], end_id=1, vocabulary_size=6144)
    city = {"city": {"type": "string", "maxLength": 9}, "days": {"enum": [1, 2]}}
    weather = json.dumps({"properties": city, "required": ["city", "days"]})
    tool = Tool(name="weather", parameters=weather)
    use = ToolUse(tools=(tool,), choice="required", parallel=False)
    rules = CallGrammar(FAMILIES[family], {}).rules(use, after_thoughts=False)
    dice, ids = random.Random(family), []
    mask = await maker.mask(Grammar(rules=rules))
    while (next_id := dice.choice(np.flatnonzero(unpack(mask.allowed(ids), 6144)))) != 1:
        ids.append(int(next_id))
        if len(ids) == 9:  # it goes on elsewhere
            mask = await maker.mask(Grammar(rules=rules))
    text = Tokenizer.from_str(tokenizer_json).decode(ids, skip_special_tokens=True)
    reader = reader_of(ReplyForm(tools=family, texts=FAMILIES[family].texts(use)))
    called, given, *rest = joined([*reader.push(text), *reader.flush()])
    assert (called.name, rest) == ("weather", [])
    jsonschema.validate(json.loads(given.text), tool.schema())
