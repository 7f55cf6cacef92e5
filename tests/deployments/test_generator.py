"""The Generator without Ray: which model answers while one takes the place of another."""

import asyncio
from contextlib import aclosing
from functools import partial
from types import SimpleNamespace

import pytest

from deployments import generator as module
from deployments.generator import _PROBE, Generator
from graphs.api.engine_fields import ENGINES
from models.device import Share
from models.engines.settling import check_request
from models.errors import (
    EngineStoppedError,
    ModelChangedError,
)
from tests.deployments.fake_models import Unserved, ask


async def generator_of(model):
    made = Unserved()
    await made.reconfigure({"model": model})
    return made


async def read(stream):
    return "".join([chunk.text async for chunk in stream])


async def settle():
    """Lets every task of this loop go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0.001)


async def until(holds):
    """Waits for what threads do, too."""
    async with asyncio.timeout(20):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.001)


async def is_closed(model):
    return model.closed


async def has_failed(made):
    return bool((await made.describe()).life.failure)


async def is_served(made, model):
    """Whether a replica's change of model has ended; it goes on behind `reconfigure`."""
    life = (await made.describe()).life
    return (life.model, life.phase) == (model, "serving")


async def test_every_chunk_and_the_description_name_the_model(loads):
    made = await generator_of("./old")
    loads[0].go_on()
    chunks = [chunk async for chunk in made.stream(ask())]
    assert {chunk.identity for chunk in chunks} == {loads[0].identity.digest}
    assert (await made.describe()).identity == loads[0].identity.digest


@pytest.mark.parametrize("num_gpus", [0.0, 1.0])
async def test_unchanged_settings_load_nothing(loads, monkeypatch, num_gpus):
    monkeypatch.setattr(module, "assigned_share", lambda: Share(num_gpus=num_gpus))
    made = await generator_of("./old")
    await made.reconfigure({"model": "./old"})
    assert len(loads) == 1
    assert not loads[0].closed


async def test_a_resumed_stream_joins_its_model_until_that_has_no_streams(loads):
    made = await generator_of("./old")
    async with aclosing(made.stream(ask())) as running:
        old = (await anext(running)).identity
        await made.reconfigure({"model": "./new"})
        await until(partial(is_served, made, "./new"))
        resumed = asyncio.create_task(read(made.stream(ask(old, delivered=(0,)))))
        await settle()
        loads[0].go_on()
        assert await read(running) == "onetwothree"
        assert await resumed == "twothree"
    await until(partial(is_closed, loads[0]))
    with pytest.raises(ModelChangedError, match=old):
        await anext(made.stream(ask(old)))


async def test_a_stream_that_names_no_model_gets_the_new_one(loads):
    made = await generator_of("./old")
    await made.reconfigure({"model": "./new"})
    await until(partial(is_served, made, "./new"))
    chunk = await anext(made.stream(ask()))
    assert chunk.identity == loads[1].identity.digest


async def test_another_setting_of_the_same_model_takes_its_streams(loads):
    made = await generator_of("./old")
    await made.reconfigure({"model": "./old", "max_answer_tokens": 7})
    await until(partial(is_closed, loads[0]))
    assert [model.closed for model in loads] == [True, False]
    chunk = await anext(made.stream(ask(loads[0].identity.digest)))
    assert chunk.identity == loads[1].identity.digest


async def test_a_dead_engine_does_not_take_a_stream(loads):
    made = await generator_of("./old")
    loads[0].dead = True
    with pytest.raises(EngineStoppedError):
        await anext(made.stream(ask()))


async def test_a_gpu_that_loads_is_healthy_and_says_that_it_has_no_model(loads, monkeypatch):
    monkeypatch.setattr(module, "assigned_share", lambda: Share(num_gpus=1.0))
    made = await generator_of("./old")
    loads.may_load.clear()
    swap = asyncio.create_task(made.reconfigure({"model": "./new"}))
    await until(partial(is_closed, loads[0]))
    await made.check_health()
    assert (await made.describe()).model == ""
    async with aclosing(made.stream(ask())) as stream:
        waiting = asyncio.create_task(anext(stream))
        await settle()
        assert not waiting.done()
        loads.may_load.set()
        await swap
        assert (await waiting).identity == loads[1].identity.digest
    await made.check_health()
    assert loads[1].num_probes == 1


async def test_a_gpu_lets_the_streams_of_the_old_model_end_first(loads, monkeypatch):
    monkeypatch.setattr(module, "assigned_share", lambda: Share(num_gpus=1.0))
    made = await generator_of("./old")
    async with aclosing(made.stream(ask())) as running:
        await anext(running)
        swap = asyncio.create_task(made.reconfigure({"model": "./new"}))
        await settle()
        assert len(loads) == 1
        loads[0].go_on()
        assert await read(running) == "onetwothree"
    await swap
    assert [model.closed for model in loads] == [True, False]


@pytest.mark.parametrize("block", [{"model": "./new", "modle": 1}, {"model": "./bad"}])
@pytest.mark.parametrize("num_gpus", [0.0, 1.0])
async def test_settings_that_cannot_be_served_leave_the_model_that_is_there(
    loads, monkeypatch, num_gpus, block
):
    monkeypatch.setattr(module, "assigned_share", lambda: Share(num_gpus=num_gpus))
    made = await generator_of("./old")
    await made.reconfigure(block)
    await until(partial(has_failed, made))
    assert (await anext(made.stream(ask()))).identity == loads[0].identity.digest
    await made.check_health()
    life = (await made.describe()).life
    assert (life.model, life.phase) == ("./old", "serving")
    assert "./old goes on answering" in life.failure
    if num_gpus and "modle" not in block:  # there was no room for two: it was loaded again
        assert [model.closed for model in loads] == [True, False]


async def test_an_engine_that_dies_ends_its_replica_before_it_takes_another_stream(
    loads, monkeypatch
):
    reasons = []
    monkeypatch.setattr(module, "end_replica", reasons.append)
    made = await generator_of("./old")
    loads[0].dead = True
    for call in (anext(made.stream(ask())), made.check_health()):
        with pytest.raises(EngineStoppedError):
            await call
    assert reasons == ["the engine of ./old has died: the engine has ended"] * 2


async def test_an_answer_that_its_engine_gave_up_alone_ends_no_replica(loads, monkeypatch):
    reasons = []
    monkeypatch.setattr(module, "end_replica", reasons.append)
    made = await generator_of("./old")

    async def give_up(_request):
        raise EngineStoppedError("this answer alone")
        yield

    loads[0].stream = give_up
    with pytest.raises(EngineStoppedError, match="alone"):
        await read(made.stream(ask()))
    assert reasons == []


async def test_at_the_end_every_engine_is_closed(loads):
    made = await generator_of("./old")
    async with aclosing(made.stream(ask())) as running:
        await anext(running)
        await made.reconfigure({"model": "./new"})
        await until(partial(is_served, made, "./new"))
        await Generator.func_or_class.__del__(made)
        assert [model.closed for model in loads] == [True, True]


async def test_autoscaling_is_told_the_tokens_of_all_models_that_have_streams(loads):
    made = Unserved()
    assert await made.record_autoscaling_stats() == {"tokens": 0, "cache_use": 0}
    await made.reconfigure({"model": "./old"})
    async with aclosing(made.stream(ask())) as running:
        await anext(running)
        await made.reconfigure({"model": "./new"})
        await until(partial(is_served, made, "./new"))
        for model, load in zip(loads, ((30, 0.2), (12, 0.6)), strict=True):
            model.load = lambda load=load: load
        assert await made.record_autoscaling_stats() == {"tokens": 42, "cache_use": 0.6}
        loads[0].go_on()


@pytest.mark.parametrize("refused", ENGINES.values(), ids=ENGINES)
def test_every_engine_takes_the_request_that_probes_its_health(refused):
    engine, usual = SimpleNamespace(unserved=refused), SimpleNamespace(temperature=1.0)
    check_request(_PROBE, engine, usual, name="e", vocabulary_size=9)
