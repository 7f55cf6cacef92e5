"""Calls of tools and answers in JSON by the bundled weights, over HTTP, on both engines.

They always fit their schemas, also when a replica is lost. At temperature 1, streamed and not, with
retrieval and without; `--calls` says how many of each.
"""

import asyncio
import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
import pytest_asyncio

from graphs.config import FailoverSettings, GatewayConfig
from graphs.errors import ReplicaLostError
from graphs.failover import ResumingGenerator
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from models.generator import Generator, GeneratorConfig
from models.token_counter import TokenCounter
from tests.graphs.fake_stages import FakeStages
from tests.graphs.serving import in_app

FULL = Path(__file__).parents[3] / "models/bundled/generator-full"
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # torchao and vLLM warn at import
    pytest.mark.asyncio(loop_scope="module"),  # vLLM serves one event loop
]

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 12},
        "days": {"type": "integer", "minimum": 1, "maximum": 9},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "place": {
            "type": "object",
            "properties": {"tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}},
            "required": ["tags"],
            "additionalProperties": False,
        },
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
SCHEMAS = {"weather": WEATHER, "clock": {"type": "object", "additionalProperties": False}}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": WEATHER}},
    {"type": "function", "function": {"name": "clock"}},
]
CHOICES = ("required", {"type": "function", "function": {"name": "weather"}})
LINES = {
    "type": "array",
    "items": {"anyOf": [{"type": "null"}, {"type": "string", "pattern": "^[a-z]{1,6}$"}]},
    "minItems": 2, "maxItems": 4,
}  # fmt: skip
PRICES = {
    "type": "object",
    "properties": {
        "lines": LINES,
        "net": {"type": "integer", "minimum": 0, "maximum": 999},
        "note": {"type": ["string", "null"], "maxLength": 10},
    },
    "required": ["lines", "net", "note"],
    "additionalProperties": False,
}
ANSWERS = (WEATHER, PRICES)
ENGINES = {
    "transformers": {"cache_tokens": 16384, "max_concurrent_requests": 8},
    "vllm": {"max_concurrent_requests": 8, "options": {"enforce_eager": True}},
}


@pytest.fixture(
    scope="module", params=["transformers", pytest.param("vllm", marks=pytest.mark.vllm)]
)
def generator(request, tmp_path_factory):
    if request.param == "vllm":
        pytest.importorskip("vllm", reason="make test-vllm installs it")
    options = ENGINES[request.param] | {"dtype": "float32"}
    config = GeneratorConfig(
        model=str(FULL), engine=request.param, engine_options=options, max_answer_tokens=300
    )
    made = Generator(config, cache=tmp_path_factory.mktemp("cache"))
    yield made
    made.close()


class Losing:
    """Loses the first stream of every tenth answer after some tokens, at its end at the latest.

    What is lost was not delivered: vLLM may give a short answer as a few large pieces.
    """

    def __init__(self, generator):
        self._generator = generator
        self.lost = set()  # seeds

    async def tokens(self):
        return TokenCounter(self._generator.profile())

    async def stream(self, request, *, slot_s=None):
        seed = request.sampling.seed
        is_lost = seed % 10 == 7 and seed not in self.lost
        async for chunk in self._generator.stream(request):
            if is_lost and (chunk.position > 12 or chunk.finish_reason is not None):
                self.lost.add(seed)
                raise ReplicaLostError("lost")
            yield chunk


@pytest_asyncio.fixture(loop_scope="module")
async def api_app(_api_shared_app, api_services):
    """What the application does besides its answers belongs to their event loop."""
    async with in_app(_api_shared_app, api_services) as app:
        yield app


@pytest.fixture
def losing(generator, api_app, api_services):
    losing, fake = Losing(generator), FakeStages()
    names = api_services.config.served_names
    stages = Stages(
        embedder=fake, retriever=fake, reranker=fake, judge=fake, safety=fake,
        generator=ResumingGenerator(losing, FailoverSettings()),
    )  # fmt: skip
    pipeline = RagPipeline(GatewayConfig(served_names=names), stages)
    api_app.state.services = dataclasses.replace(api_services, pipeline=pipeline)
    return losing


async def called(client, number):
    """Gives the calls of an answer, as the client puts them together."""
    fields = {
        "model": "rag" if number % 4 < 2 else "local/generator",
        "messages": [{"role": "user", "content": f"What is the weather in city {number}?"}],
        "tools": TOOLS, "tool_choice": CHOICES[number % 3 == 0], "parallel_tool_calls": False,
        "temperature": 1, "seed": number,
    }  # fmt: skip
    if number % 2:
        choice = (await client.chat.completions.create(**fields)).choices[0]
        assert choice.finish_reason == "tool_calls"
        return [(one.function.name, one.function.arguments) for one in choice.message.tool_calls]
    async with client.chat.completions.stream(**fields) as stream:
        async for _ in stream:
            pass
        choice = (await stream.get_final_completion()).choices[0]
    assert choice.finish_reason == "tool_calls"
    return [(one.function.name, one.function.arguments) for one in choice.message.tool_calls]


async def answered(client, number):
    """Gives an answer that is held to a schema, streamed."""
    schema = {"name": "answer", "schema": ANSWERS[number % 2]}
    async with client.chat.completions.stream(
        model="rag" if number % 4 < 2 else "local/generator",
        messages=[{"role": "user", "content": f"What is the weather in city {number}?"}],
        response_format={"type": "json_schema", "json_schema": schema},
        temperature=1, seed=number,
    ) as stream:  # fmt: skip
        async for _ in stream:
            pass
        choice = (await stream.get_final_completion()).choices[0]
    assert choice.finish_reason == "stop"
    return choice.message.content


async def all_of(ask, client, request):
    """Asks as often as `--calls` says, eight at a time; gives numbers and answers."""
    turn = asyncio.Semaphore(8)

    async def one(number):
        async with turn:
            return number, await ask(client, number)

    return await asyncio.gather(*map(one, range(request.config.getoption("--calls"))))


async def test_every_call_parses(api_openai, losing, request):
    told = await all_of(called, api_openai, request)
    for _, calls in told:
        assert len(calls) == 1
        for name, arguments in calls:
            jsonschema.validate(json.loads(arguments), SCHEMAS[name])
    assert losing.lost == {number for number, _ in told if number % 10 == 7}


async def test_every_answer_fits_its_schema(api_openai, losing, request):
    told = await all_of(answered, api_openai, request)
    for number, content in told:
        jsonschema.validate(json.loads(content), ANSWERS[number % 2])
    assert len({content for _, content in told}) > len(told) / 2
    assert losing.lost == {number for number, _ in told if number % 10 == 7}
