"""Streams wait for a slot and for their tokens, and what they are told of is what there is."""

import asyncio

from chaos.simulated.room import Room


async def test_a_stream_waits_for_its_tokens_though_there_is_a_slot():
    room = Room(slots=4, cache_tokens=100)
    ends = asyncio.Event()

    async def hold(num_tokens):
        async with room.taken(num_tokens):
            await ends.wait()

    tasks = [asyncio.create_task(hold(60)) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert room.load() == {"tokens": 180.0, "cache_use": 0.6}
    tasks.pop().cancel()  # one that waits has gone
    await asyncio.sleep(0.01)
    assert room.load() == {"tokens": 120.0, "cache_use": 0.6}
    ends.set()
    await asyncio.gather(*tasks)
    assert room.load() == {"tokens": 0.0, "cache_use": 0.0}


async def test_a_stream_that_needs_more_than_there_is_runs_alone():
    room = Room(slots=4, cache_tokens=100)
    async with room.taken(1000):
        assert room.load()["cache_use"] == 1.0
