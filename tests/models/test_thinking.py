"""A reasoning model of the bundled weights: their tokens are the marks of thoughts and calls."""

import json
from pathlib import Path

import pytest

from models.chat.parts import Called, Said, Thought, joined
from models.chat.reply import ReplyForm, reader_of
from models.chat.tools import Tool, ToolUse
from models.errors import InvalidInputError
from models.generation import GenerationRequest, Message, Sampling
from models.generator import Generator, GeneratorConfig
from tests.models.writing import write

FULL = Path(__file__).parents[2] / "models/bundled/generator-full"
MARKS = {"[19]": "<think>", "[20]": "</think>", "[18]": "<tool_call>"}
LIMIT = 6
pytestmark = pytest.mark.filterwarnings("ignore")  # torchao warns at import


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkpoint whose prompts begin thoughts, unless `enable_thinking` is false."""
    made = tmp_path_factory.mktemp("reasoning")
    for path in FULL.iterdir():
        (made / path.name).symlink_to(path)
    tokenizer = json.loads((FULL / "tokenizer.json").read_text())
    for token in tokenizer["added_tokens"]:
        token["content"] = MARKS.get(token["content"], token["content"])
    vocabulary = tokenizer["model"]["vocab"]
    for old, new in MARKS.items():
        vocabulary[new] = vocabulary.pop(old)
    config = json.loads((FULL / "tokenizer_config.json").read_text())
    template = (FULL / "chat_template.jinja").read_text()
    template += "{%- if enable_thinking is not false -%}{{ '<think>' }}{%- endif -%}"
    texts = {
        "tokenizer.json": json.dumps(tokenizer), "tokenizer_config.json": json.dumps(config),
        "chat_template.jinja": template + "{#- </think> -#}",
    }  # fmt: skip
    for name, text in texts.items():
        (made / name).unlink()
        (made / name).write_text(text)
    return made


@pytest.fixture(scope="module")
def generator(folder, tmp_path_factory):
    options = {"cache_tokens": 8192, "max_concurrent_requests": 8, "dtype": "float32"}
    config = GeneratorConfig(model=str(folder), engine_options=options, max_reasoning_tokens=LIMIT)
    made = Generator(config, cache=tmp_path_factory.mktemp("cache"))
    yield made
    made.close()


def request(seed=1, delivered=(), max_tokens=20, **fields):
    return GenerationRequest(
        request_id="r",
        messages=(Message(role="user", content="Which port?"),),
        sampling=Sampling(temperature=1.0, seed=seed, max_tokens=max_tokens),
        delivered_token_ids=tuple(delivered),
        **fields,
    )


def parts_of(chunks):
    reader = reader_of(chunks[0].form)
    parts = [part for chunk in chunks for part in reader.push(chunk.text)]
    return joined([*parts, *reader.flush()])


async def test_thoughts_are_bounded_and_stand_before_the_answer(generator):
    end_id = generator._prompting.thought_ids()[1]
    for seed in range(4):
        ids, text, chunks = await write(generator, request(seed))
        assert chunks[0].form == ReplyForm(thinking="think", is_thinking=True)
        assert ids.index(end_id) <= LIMIT
        parts = parts_of(chunks)
        assert "think>" not in "".join(part.text for part in parts)
        assert [type(part) for part in parts] in ([Thought, Said], [Said], [Thought], [])
        assert text.count("</think>") == 1


async def test_an_answer_goes_on_from_within_its_thoughts_and_behind_them(generator):
    asked = request(7)
    ids, _, _ = await write(generator, asked)
    for size in (1, LIMIT - 1, LIMIT + 1, len(ids) - 1):
        rest, _, _ = await write(generator, request(7, ids[:size]))
        assert ids[:size] + rest == ids


async def test_effort_shortens_thoughts_or_turns_them_off(generator):
    end_id = generator._prompting.thought_ids()[1]
    for effort, limit in (("high", LIMIT), ("medium", LIMIT // 2), ("minimal", 0)):
        ids, _, _ = await write(generator, request(3, effort=effort))
        assert ids.index(end_id) <= limit
    ids, text, chunks = await write(generator, request(3, effort="none"))
    assert chunks[0].form.is_thinking is False
    assert not set(ids) & set(generator._prompting.thought_ids())
    assert parts_of(chunks) == [Said(text=text.lstrip())]


async def test_a_call_that_is_asked_for_stands_behind_thoughts(generator):
    use = ToolUse(tools=(Tool(name="clock"),), choice="required", parallel=False)
    for seed in range(4):
        _, _, chunks = await write(generator, request(seed, max_tokens=100, tools=use))
        parts = [part for part in parts_of(chunks) if not isinstance(part, Thought)]
        assert parts[0] == Called(index=0, name="clock")
        assert [part.text for part in parts[1:] if part.text.strip()] == ["{}"]


async def test_a_call_within_thoughts_ends_them_and_is_held_to_its_form(generator):
    use = ToolUse(tools=(Tool(name="clock"),), parallel=False)
    opened = generator._tokenizer("Hm. <tool_call>", add_special_tokens=False)["input_ids"]
    _, _, chunks = await write(generator, request(delivered=opened, max_tokens=100, tools=use))
    assert chunks[-1].finish_reason == "stop"
    thought, called, given = (one for one in parts_of(chunks) if one != Said(text="\n"))
    assert (thought, called) == (Thought(text="Hm."), Called(index=0, name="clock"))
    assert given.text == "{}"


async def test_effort_is_refused_by_a_model_that_does_not_reason(tmp_path):
    options = {"cache_tokens": 2048, "max_concurrent_requests": 2, "dtype": "float32"}
    made = Generator(GeneratorConfig(model=str(FULL), engine_options=options), cache=tmp_path)
    try:
        with pytest.raises(InvalidInputError, match="does not reason"):
            await made.prepare(request(effort="low"))
        await made.prepare(request(effort="none"))
    finally:
        made.close()
