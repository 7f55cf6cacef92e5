"""Calls of tools by the real `transformers` engine: they always parse, also where they go on."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from models.chat.families import FAMILIES
from models.chat.parts import Arguments, Called, Said, joined
from models.chat.reply import reader_of
from models.chat.tools import Tool, ToolUse
from models.errors import InvalidInputError
from models.generation import GenerationRequest, Message, Sampling
from models.generator import Generator, GeneratorConfig
from tests.models.writing import write

FULL = Path(__file__).parents[2] / "models/bundled/generator-full"
pytestmark = pytest.mark.filterwarnings("ignore")  # torchao warns at import

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 10},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
}
TOOLS = (
    Tool(name="get_weather", description="Tells it.", parameters=json.dumps(WEATHER)),
    Tool(name="clock"),
)
# Families that differ from another one in their marks alone, whose marks are many of the bundled
# model's tokens, or that the other tests have; tests/models/chat has all of them.
TWINS = {
    "jamba", "seed_oss", "minimax_m2", "glm45", "lfm2", "olmo3", "kimi_k2", "deepseek_v32",
    "hermes",
}  # fmt: skip
SCHEMAS = {tool.name: tool.schema() for tool in TOOLS}


def loaded(folder, **config):
    options = {"cache_tokens": 16384, "max_concurrent_requests": 16, "dtype": "float32"}
    config = GeneratorConfig(model=str(FULL), engine_options=options, **config)
    return Generator(config, cache=folder)


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    made = loaded(tmp_path_factory.mktemp("cache"))
    yield made
    made.close()


def request(use, seed=1, **sampling):
    return GenerationRequest(
        request_id="r",
        messages=(Message(role="user", content="Weather?"),),
        sampling=Sampling(**{"temperature": 1.0, "seed": seed, "max_tokens": 300} | sampling),
        tools=use,
    )


def parts_of(chunks):
    reader = reader_of(chunks[0].form)
    assert all(chunk.form is None for chunk in chunks[1:])
    parts = [part for chunk in chunks for part in reader.push(chunk.text)]
    return joined([*parts, *reader.flush()])


def calls_of(parts):
    """The calls of an answer, each valid for its tool."""
    names = [part.name for part in parts if isinstance(part, Called)]
    given = [json.loads(part.text) for part in parts if isinstance(part, Arguments)]
    for name, arguments in zip(names, given, strict=True):
        jsonschema.validate(arguments, SCHEMAS[name])
    return list(zip(names, given, strict=True))


async def test_a_forced_call_parses_at_any_seed_and_goes_on_from_any_id(generator):
    use = ToolUse(tools=TOOLS, choice="required")
    asked = [request(use, seed) for seed in range(8)]
    for one, (ids, _, chunks) in zip(
        asked, await asyncio.gather(*(write(generator, one) for one in asked)), strict=True
    ):
        parts = parts_of(chunks)
        if chunks[-1].finish_reason == "length":  # so many calls that no more fit
            continue
        assert calls_of(parts)
        assert not [part for part in parts if isinstance(part, Said) and part.text.strip()]
        cut = len(ids) // 2
        rest, _, _ = await write(generator, replace(one, delivered_token_ids=tuple(ids[:cut])))
        assert ids[:cut] + rest == ids


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - TWINS))
async def test_every_family_is_held_to_the_form_that_is_read(tmp_path, family):
    made = loaded(tmp_path, tool_parser=family)
    try:
        use = ToolUse(tools=TOOLS, choice="required", parallel=False)
        written = await asyncio.gather(*(write(made, request(use, seed)) for seed in range(4)))
        for _, _, chunks in written:
            assert chunks[-1].finish_reason == "stop"
            assert len(calls_of(parts_of(chunks))) == 1
    finally:
        made.close()


async def test_a_named_tool_alone_is_called_once(generator):
    use = ToolUse(tools=TOOLS, named="clock")
    for seed in range(3):
        _, _, chunks = await write(generator, request(use, seed))
        assert calls_of(parts_of(chunks)) == [("clock", {})]


async def test_text_is_free_until_a_call_opens(generator):
    use = ToolUse(tools=TOOLS)
    _, text, chunks = await write(generator, request(use, max_tokens=24))
    assert parts_of(chunks) == [Said(text=text)]
    opened = generator._tokenizer("Let me see. <tool_call>", add_special_tokens=False)["input_ids"]
    for seed in range(4):
        asked = replace(request(use, seed), delivered_token_ids=tuple(opened))
        _, text, chunks = await write(generator, asked)  # whose reader has none of the text
        if chunks[-1].finish_reason == "length":
            continue
        parts = parts_of(chunks)
        assert parts[0] == Said(text="Let me see. ")
        assert calls_of(parts)


async def test_an_answer_beside_tools_may_be_held_to_a_schema(generator):
    answer = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    answer |= {"additionalProperties": False}
    use = ToolUse(tools=TOOLS, parallel=False, answer=json.dumps(answer))
    for seed in range(6):
        parts = parts_of((await write(generator, request(use, seed)))[2])
        if not calls_of(parts):
            (said,) = parts
            jsonschema.validate(json.loads(said.text), answer)


async def test_parameters_that_cannot_be_served_are_refused(generator):
    tool = Tool(name="f", parameters='{"properties": {"a": {"$ref": "#/nowhere"}}}')
    with pytest.raises(InvalidInputError, match="the parameters of the tools"):
        await generator.prepare(request(ToolUse(tools=(tool,))))
