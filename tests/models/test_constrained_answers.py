"""Answers that are held to a schema, a regex or a grammar, by the real `transformers` engine."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from models.constraints import Grammar, JsonSchema, Regex
from models.errors import InvalidInputError
from models.generation import GenerationRequest, Message, Sampling
from models.generator import Generator, GeneratorConfig
from tests.models.writing import write

FULL = Path(__file__).parents[2] / "models/bundled/generator-full"
pytestmark = pytest.mark.filterwarnings("ignore")  # torchao warns at import


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    config = GeneratorConfig(
        model=str(FULL),
        engine_options={"cache_tokens": 8192, "max_concurrent_requests": 8, "dtype": "float32"},
    )
    made = Generator(config, cache=tmp_path_factory.mktemp("cache"))
    yield made
    made.close()


def request(question, delivered=(), **sampling):
    return GenerationRequest(
        request_id="r",
        messages=(Message(role="user", content=question),),
        sampling=Sampling(**sampling),
        delivered_token_ids=tuple(delivered),
    )


SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "kind": {"enum": ["http", "grpc"]},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
    },
    "required": ["name", "kind", "port", "tags"],
    "additionalProperties": False,
}
VERSION = r"v[0-9]{1,3}(\.[a-f]{2}){3}"
LETTERS = 'root ::= ("ab" | "ü"){1,6} "."'
CONSTRAINED = {
    "json_schema": (JsonSchema(schema=json.dumps(SCHEMA)), json.loads),
    "regex": (Regex(pattern=VERSION), re.compile(VERSION).fullmatch),
    "grammar": (Grammar(rules=LETTERS), re.compile(r"(ab|ü){1,6}\.").fullmatch),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONSTRAINED)
async def test_an_answer_keeps_to_its_constraint_beside_free_ones_and_goes_on_from_any_id(
    generator, kind
):
    constraint, read = CONSTRAINED[kind]
    free = [request(question, max_tokens=12) for question in ("Which port?", "Why?")]
    alone = [(await write(generator, asked))[1] for asked in free]
    bound = [
        replace(
            request("Which port?", temperature=1.0, seed=seed, max_tokens=120),
            constraint=constraint,
        )
        for seed in (1, -2)
    ]
    written = await asyncio.gather(*(write(generator, asked) for asked in [*free, *bound]))
    assert [text for _, text, _ in written[:2]] == alone
    for asked, (ids, text, chunks) in zip(bound, written[2:], strict=True):
        assert read(text)
        assert chunks[-1].finish_reason == "stop"
        for size in (1, len(ids) // 2, len(ids)):
            resumed = replace(asked, delivered_token_ids=tuple(ids[:size]))
            rest, _, _ = await write(generator, resumed)
            assert ids[:size] + rest == ids


async def test_a_constrained_answer_that_its_limit_cuts_is_told_as_such(generator):
    asked = replace(request("?", max_tokens=4), constraint=CONSTRAINED["json_schema"][0])
    ids, _, chunks = await write(generator, asked)
    assert (len(ids), chunks[-1].finish_reason) == (4, "length")


async def test_a_constraint_that_cannot_be_read_is_refused_before_the_request_is_taken(generator):
    asked = replace(request("Why?"), constraint=Regex(pattern="(a"))
    with pytest.raises(InvalidInputError, match="regex cannot be served"):
        await generator.prepare(asked)


async def test_delivered_ids_that_break_the_constraint_are_refused(generator):
    asked = replace(request("Why?", delivered=(9, 9)), constraint=CONSTRAINED["regex"][0])
    with pytest.raises(InvalidInputError, match="constraint failed at token 2"):
        await generator.prepare(asked)


async def test_penalties_biases_and_probabilities_are_the_same_where_an_answer_goes_on(generator):
    asked = request(
        "Which port?", temperature=0.8, seed=-7, max_tokens=16, presence_penalty=1.5,
        frequency_penalty=0.5, repetition_penalty=1.3, min_p=0.01, logit_bias=((900, 5.0),),
        top_logprobs=2,
    )  # fmt: skip
    ids, _, chunks = await write(generator, asked)
    told = [one for chunk in chunks for one in chunk.tokens]
    raw = generator._tokenizer.decode(ids).encode()
    assert (len(told), b"".join(one.raw for one in told)) == (len(ids), raw)
    assert all(len(one.top) == 2 and one.logprob <= one.top[0].logprob <= 0 for one in told)
    resumed = replace(asked, delivered_token_ids=tuple(ids[:7]))
    rest, _, rest_chunks = await write(generator, resumed)
    assert ids[:7] + rest == ids
    again = [one for chunk in rest_chunks for one in chunk.tokens]
    assert [(one.raw, one.num_chars) for one in again] == [
        (one.raw, one.num_chars) for one in told[7:]
    ]
    assert [one.logprob for one in again] == pytest.approx(
        [one.logprob for one in told[7:]], abs=1e-3
    )


async def test_stop_ids_end_an_answer_and_min_tokens_and_ignore_eos_lengthen_it(generator):
    ids, _, _ = await write(generator, request("Which port?", max_tokens=8))
    stopped, _, chunks = await write(
        generator, request("Which port?", max_tokens=8, stop_token_ids=(ids[2],))
    )
    assert (stopped, chunks[-1].finish_reason) == (ids[: ids.index(ids[2])], "stop")
    end = int(generator._tokenizer.eos_token_id)
    ending = ((end, 100.0),)
    ended, _, chunks = await write(generator, request("Why?", max_tokens=6, logit_bias=ending))
    assert (ended, chunks[-1].finish_reason) == ([], "stop")
    longer, _, chunks = await write(
        generator, request("Why?", max_tokens=6, logit_bias=ending, min_tokens=4)
    )
    assert (len(longer), chunks[-1].finish_reason) == (4, "stop")
    endless, _, chunks = await write(
        generator, request("Why?", max_tokens=6, logit_bias=ending, ignore_eos=True)
    )
    assert (endless, chunks[-1].finish_reason) == ([end] * 6, "length")


@pytest.mark.parametrize(
    ("sampling", "named"),
    [
        ({"priority": 1}, "the transformers engine does not serve priority, got 1"),
        ({"stop_token_ids": (6144,)}, r"stop_token_ids must be in 0\.\.6143, got 6144"),
    ],
)
async def test_what_the_engine_would_not_honour_is_refused_by_name(generator, sampling, named):
    with pytest.raises(InvalidInputError, match=named):
        await generator.prepare(request("Why?", **sampling))
