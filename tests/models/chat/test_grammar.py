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
    reader = reader_of(ReplyForm(tools=family))
    called, given, *rest = joined([*reader.push(text), *reader.flush()])
    assert (called.name, rest) == ("weather", [])
    jsonschema.validate(json.loads(given.text), tool.schema())
