"""Calls of tools by the bundled weights, over HTTP: they always parse, also when a replica is lost.

At temperature 1, streamed and not, with retrieval and without; `--calls` says how many.
"""

import asyncio
import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest

from graphs.config import FailoverSettings, GatewayConfig
from graphs.errors import ReplicaLostError
from graphs.failover import ResumingGenerator
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from models.generator import Generator, GeneratorConfig
from models.token_counter import TokenCounter
from tests.graphs.fake_stages import FakeStages

FULL = Path(__file__).parents[3] / "models/bundled/generator-full"
pytestmark = pytest.mark.filterwarnings("ignore")  # torchao warns at import

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


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    options = {"cache_tokens": 16384, "max_concurrent_requests": 8, "dtype": "float32"}
    config = GeneratorConfig(model=str(FULL), engine_options=options, max_answer_tokens=300)
    made = Generator(config, cache=tmp_path_factory.mktemp("cache"))
    yield made
    made.close()


class Losing:
    """Loses the first stream of each answer that is to be lost, after some tokens."""

    def __init__(self, generator):
        self._generator = generator
        self.num_lost = 0

    async def tokens(self):
        return TokenCounter(self._generator.profile())

    async def stream(self, request, *, slot_s=None):
        is_lost = request.sampling.seed % 20 == 7 and request.attempt == 0
        async for chunk in self._generator.stream(request):
            yield chunk
            if is_lost and chunk.position > 12 and chunk.finish_reason is None:
                self.num_lost += 1
                raise ReplicaLostError("lost")


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


async def test_every_call_parses(api_openai, losing, request):
    numbers = range(request.config.getoption("--calls"))
    turn = asyncio.Semaphore(8)

    async def one(number):
        async with turn:
            return await called(api_openai, number)

    for calls in await asyncio.gather(*map(one, numbers)):
        assert len(calls) == 1
        for name, arguments in calls:
            jsonschema.validate(json.loads(arguments), SCHEMAS[name])
    assert losing.num_lost == len([number for number in numbers if number % 20 == 7])
