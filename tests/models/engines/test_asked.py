"""What a request asks of its answer, honoured by the three engines alike.

The vLLM ones need vLLM's CPU build: `make test-vllm` installs it and runs them.
"""

import asyncio
import json
import re
from dataclasses import replace

import jsonschema
import pytest

from models.constraints import Choices, Grammar, JsonSchema, Regex
from models.errors import InvalidInputError
from tests.models.engines.conftest import ENGINES
from tests.models.engines.held import chunks_of, ids_of, request, text_of, write
from tests.models.tool_schemas import TOOL_SCHEMAS

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # gptqmodel, torchao and vLLM warn at import
    pytest.mark.asyncio(loop_scope="session"),  # vLLM serves one event loop
]

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
PORTS = ("The port is 8000.", "The port is 80.", "No port is told.")
CONSTRAINED = {
    "json_schema": (JsonSchema(schema=json.dumps(SCHEMA)), json.loads),
    "regex": (Regex(pattern=VERSION), re.compile(VERSION).fullmatch),
    "grammar": (Grammar(rules=LETTERS), re.compile(r"(ab|ü){1,6}\.").fullmatch),
    "choices": (Choices(texts=PORTS), lambda text: text.strip() in PORTS),
}
END = 1  # the bundled model's
WITH_MODELS = pytest.mark.parametrize("held", ENGINES[1:], indirect=True)


@pytest.mark.parametrize("kind", CONSTRAINED)
async def test_an_answer_keeps_to_its_constraint_beside_free_ones_and_goes_on_from_any_id(
    held, kind
):
    constraint, read = CONSTRAINED[kind]
    free = [request(question, max_tokens=12) for question in ("Which port?", "Why?")]
    alone = [await write(held, asked) for asked in free]
    bound = [
        request("Which port?", constraint=constraint, temperature=t, seed=seed, max_tokens=120)
        for t, seed in ((1.0, 1), (1.0, -2), (0.0, 0))
    ]
    written = await asyncio.gather(*(chunks_of(held, asked) for asked in [*free, *bound]))
    assert [ids_of(chunks) for chunks in written[:2]] == alone
    for asked, chunks in zip(bound, written[2:], strict=True):
        ids = ids_of(chunks)
        assert read(text_of(chunks))
        assert chunks[-1].finish_reason == "stop"
        for size in (1, len(ids) // 2, len(ids)):
            resumed = replace(asked, delivered_token_ids=tuple(ids[:size]))
            assert ids[:size] + await write(held, resumed) == ids


@WITH_MODELS
async def test_answers_of_thirty_schemas_that_are_written_together_fit_them(held):
    # A small model may fill a list or a number without end; a bias to what closes them ends it.
    closing = tuple((token_id, 5.0) for token_id in held.ids_of('"', "}", "]", "]}", '"}'))
    asked = [
        request(
            f"Call {name}.", constraint=JsonSchema(schema=json.dumps(schema)),
            temperature=1.0, seed=seed, max_tokens=300, logit_bias=closing,
        )
        for seed, (name, schema) in enumerate(TOOL_SCHEMAS.items())
    ]  # fmt: skip
    answers = await asyncio.gather(*(chunks_of(held, one) for one in asked))
    whole = 0
    for chunks, schema in zip(answers, TOOL_SCHEMAS.values(), strict=True):
        if chunks[-1].finish_reason == "stop":
            jsonschema.validate(json.loads(text_of(chunks)), schema)
            whole += 1
    assert whole > 20


async def test_a_constrained_answer_that_its_limit_cuts_is_told_as_such(held):
    asked = request("?", constraint=CONSTRAINED["json_schema"][0], max_tokens=4)
    chunks = await chunks_of(held, asked)
    assert (len(ids_of(chunks)), chunks[-1].finish_reason) == (4, "length")


async def test_a_constraint_that_cannot_be_read_is_refused_before_the_request_is_taken(held):
    with pytest.raises(InvalidInputError, match="regex cannot be served"):
        await held.generator.prepare(request("Why?", constraint=Regex(pattern="(a")))


async def test_delivered_ids_that_break_the_constraint_are_refused(held):
    asked = request("Why?", delivered=(9, 9), constraint=CONSTRAINED["regex"][0])
    with pytest.raises(InvalidInputError, match="constraint failed at token 2"):
        await held.generator.prepare(asked)


@pytest.mark.parametrize(
    "sampling",
    [
        {"presence_penalty": 1.5},
        {"frequency_penalty": 0.7},
        {"repetition_penalty": 1.3},
        {"logit_bias": ((900, 5.0), (901, -100.0))},
        {"temperature": 1.5, "seed": 3, "min_p": 0.2},
        {
            "temperature": 0.8, "seed": -7, "presence_penalty": 1.5, "frequency_penalty": 0.5,
            "repetition_penalty": 1.3, "min_p": 0.01, "logit_bias": ((900, 5.0),),
        },
    ],
)  # fmt: skip
async def test_penalties_and_biases_are_the_same_where_an_answer_goes_on(held, sampling):
    asked = request("Which port?", max_tokens=20, **sampling)
    ids = await write(held, asked)
    cuts = range(1, len(ids))
    rests = [write(held, replace(asked, delivered_token_ids=tuple(ids[:cut]))) for cut in cuts]
    assert [ids[:cut] + rest for cut, rest in zip(cuts, await asyncio.gather(*rests), strict=True)]\
        == [ids] * len(cuts)  # fmt: skip


@pytest.mark.parametrize("top_logprobs", [0, 2])
async def test_the_probabilities_that_are_told_are_the_models_own(held, top_logprobs):
    asked = request(
        "Which port?", temperature=0.8, seed=-7, max_tokens=16, repetition_penalty=1.3,
        logit_bias=((900, 5.0),), top_logprobs=top_logprobs,
    )  # fmt: skip
    chunks = await chunks_of(held, asked)
    ids, told = ids_of(chunks), [one for chunk in chunks for one in chunk.tokens]
    raw = held.generator._tokenizer.decode(ids).encode()
    assert (len(told), b"".join(one.raw for one in told)) == (len(ids), raw)
    assert all(len(one.top) == top_logprobs and one.logprob <= 0 for one in told)
    assert all(one.logprob <= one.top[0].logprob for one in told if one.top)
    rest = await chunks_of(held, replace(asked, delivered_token_ids=tuple(ids[:7])))
    assert ids[:7] + ids_of(rest) == ids
    again = [one for chunk in rest for one in chunk.tokens]
    assert [(one.raw, one.num_chars) for one in again] == [
        (one.raw, one.num_chars) for one in told[7:]
    ]
    assert [one.logprob for one in again] == pytest.approx(
        [one.logprob for one in told[7:]], abs=1e-3
    )


async def test_stop_ids_end_an_answer_and_min_tokens_and_ignore_eos_lengthen_it(held):
    async def ending(**sampling):
        chunks = await chunks_of(held, request("Why?", **sampling))
        return ids_of(chunks), chunks[-1].finish_reason

    ids, _ = await ending(max_tokens=8)
    assert await ending(max_tokens=8, stop_token_ids=(ids[2],)) == (
        ids[: ids.index(ids[2])], "stop",
    )  # fmt: skip
    soon = {"max_tokens": 6, "logit_bias": ((END, 100.0),)}
    assert await ending(**soon) == ([], "stop")
    longer, reason = await ending(**soon, min_tokens=4)
    assert (len(longer), reason) == (4, "stop")
    assert await ending(**soon, ignore_eos=True) == ([END] * 6, "length")


async def test_min_tokens_counts_what_was_delivered(held):
    asked = request("Why?", max_tokens=6, logit_bias=((END, 100.0),), min_tokens=4)
    ids = await write(held, asked)
    for cut in range(1, 5):
        resumed = replace(asked, delivered_token_ids=tuple(ids[:cut]))
        assert ids[:cut] + await write(held, resumed) == ids


async def test_ids_outside_the_vocabulary_and_what_does_not_go_together_are_refused(held):
    constraint = CONSTRAINED["regex"][0]
    for asked, named in (
        (request("Why?", stop_token_ids=(6144,)), r"stop_token_ids must be in 0\.\.6143, got 6144"),
        (request("Why?", logit_bias=((10**6, 1.0),)), r"logit_bias must be in 0\.\.6143"),
        (request("Why?", min_tokens=9, constraint=constraint), "min_tokens does not go with"),
    ):
        with pytest.raises(InvalidInputError, match=named):
            await held.generator.prepare(asked)


@pytest.mark.parametrize("held", ["fake", "transformers"], indirect=True)
async def test_what_an_engine_would_not_honour_is_refused_by_name(held):
    with pytest.raises(InvalidInputError, match="engine does not serve priority, got 1"):
        await held.generator.prepare(request("Why?", priority=1))


@pytest.mark.parametrize("held", ENGINES[2:], indirect=True)
async def test_a_request_of_higher_priority_goes_first(held):
    begun = []

    async def begin(priority, rank):
        asked = request("Why?", max_tokens=3, priority=priority, rank=rank)
        await anext(aiter(held.generator.stream(asked)))
        begun.append((rank, priority))

    before = [
        asyncio.create_task(write(held, request("Why?", max_tokens=60, ignore_eos=True, seed=seed)))
        for seed in range(40)  # more than there are slots
    ]
    await held.until_active(40)
    waiting = [(3, 0), (-(2**31) + 1, 1), (0, 0), (2**31 - 1, -1), (-3, 0)]
    await asyncio.gather(*(begin(*one) for one in waiting), *before)
    # No number that a client sends lifts it above its class.
    assert begun == [(-1, 2**31 - 1), (0, -3), (0, 0), (0, 3), (1, -(2**31) + 1)]
