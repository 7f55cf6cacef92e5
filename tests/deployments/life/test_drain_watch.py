"""A replica learns in time that its node goes away."""

import asyncio
import time
from types import SimpleNamespace

import pytest

from deployments.generator import Generator
from deployments.life.drain_watch import DrainWatch
from models.errors import EngineDrainingError
from models.generation import GenerationChunk, GenerationRequest
from models.generator import GeneratorConfig


async def is_over_soon(deadline):
    """Whether it is over before the deadline is read for the third time."""
    num_reads, again, loop = 0, asyncio.Event(), asyncio.get_running_loop()

    def read_deadline():
        nonlocal num_reads
        num_reads += 1
        if num_reads == 3:
            loop.call_soon_threadsafe(again.set)
        return deadline

    watch = DrainWatch(read_deadline, period_s=0.01)
    tasks = [asyncio.create_task(watch.run()), asyncio.create_task(again.wait())]
    assert (await asyncio.wait(tasks, timeout=20, return_when=asyncio.FIRST_COMPLETED))[0]
    for task in tasks:
        task.cancel()
    return watch.is_over


@pytest.mark.parametrize(("in_s", "expected"), [(2.0, True), (-1.0, True), (60.0, False)])
async def test_it_is_over_shortly_before_the_deadline(in_s, expected):
    assert await is_over_soon(time.time() + in_s) is expected


async def test_a_node_that_stays_is_never_over():
    assert not await is_over_soon(None)


class TwoTokens:
    num_streams = 0
    digest = "model"
    identity = SimpleNamespace(model="folder")

    def check(self):
        """Its engine lives."""

    async def prepare(self, request):
        """Refuses nothing."""
        return SimpleNamespace(adapter="")

    adapters = SimpleNamespace(identity_of=lambda adapter: "model")

    async def stream(self, request):
        for position in range(2):
            yield GenerationChunk(
                position=position, token_ids=(1,), text="a", num_prompt_tokens=1,
                finish_reason="length" if position else None,
            )  # fmt: skip

    def in_use(self):
        return _NoContext()

    @property
    def model(self):
        return self


class _NoContext:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


class Undying(Generator.func_or_class):
    def __del__(self):  # the real one is awaited by Serve
        pass


@pytest.fixture
def generator():
    made = Undying()
    made._life._serve(GeneratorConfig(model="./x"), TwoTokens())
    return made


async def test_a_stream_is_handed_over_after_the_token_on_its_way(generator):
    request = GenerationRequest(request_id="r", messages=())
    stream = generator.stream(request)
    chunks = [await anext(stream), await anext(stream)]
    assert [chunk.token_ids for chunk in chunks] == [(), (1,)]
    generator._drain.is_over = True
    with pytest.raises(EngineDrainingError):
        await anext(stream)


async def test_a_draining_generator_takes_no_new_stream(generator):
    generator._drain.is_over = True
    with pytest.raises(EngineDrainingError):
        await anext(generator.stream(GenerationRequest(request_id="r", messages=())))
