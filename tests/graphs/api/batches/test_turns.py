"""When lines of batches run beside requests of others."""

import asyncio

from graphs.api.batches.turns import Turns
from graphs.api.border.traffic import Traffic
from graphs.settings import BatchSettings


async def test_a_line_that_is_longer_than_the_gaps_between_requests_is_answered():
    settings = BatchSettings(longest_yield_s=0.4, quiet_s=0.01)
    traffic, begun = Traffic(), 0

    async def line():
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.3)
        return "answered"

    async def others():
        while True:
            traffic.count(waiting=1)
            await asyncio.sleep(0.02)
            traffic.count(waiting=-1, refused=1)  # who finds no room ends no overdue line either
            await asyncio.sleep(0.15)

    asking = asyncio.create_task(others())
    try:
        turns = Turns(lambda: settings, traffic)
        async with asyncio.timeout(10):
            assert await turns.run(line) == "answered"
    finally:
        asking.cancel()
    assert begun > 1
