"""When lines of batches run beside requests of others."""

import asyncio
import time

import pytest

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


@pytest.mark.parametrize("busy_s", [0.0, 0.03])  # before anything is begun
async def test_a_line_that_would_meet_the_next_request_is_not_begun(busy_s):
    settings = BatchSettings(longest_yield_s=30, quiet_s=0.001)
    traffic, begun, num_gaps, num_stalled = Traffic(), 0, 30, 0

    async def line():
        nonlocal begun
        begun += 1
        await asyncio.sleep(0.5)

    running = asyncio.create_task(Turns(lambda: settings, traffic).run(line))
    for _ in range(num_gaps):
        traffic.count(waiting=1)
        await asyncio.sleep(0.01)
        traffic.count(waiting=-1)
        time.sleep(busy_s)  # noqa: ASYNC251
        await asyncio.sleep(0.05 - busy_s)
        num_stalled += (
            traffic.gap_s > 0.1
        )  # the machine stood still: lines rightly take it for room
    assert 1 <= begun <= num_gaps / 3 + num_stalled
    async with asyncio.timeout(20):  # they stay away
        await running


async def test_lines_that_run_beside_others_do_not_wait_for_them_to_stay_away():
    settings = BatchSettings(longest_yield_s=30, quiet_s=0, yields_to=4)
    traffic, ended = Traffic(), 0
    turns = Turns(lambda: settings, traffic)

    async def lines():
        nonlocal ended
        while True:
            await turns.run(lambda: asyncio.sleep(0.1))
            ended += 1

    running = asyncio.create_task(lines())
    for _ in range(12):
        traffic.count(waiting=3)
        for _ in range(3):
            await asyncio.sleep(0.02)
            traffic.count(waiting=-1)
        await asyncio.sleep(0.06)
    running.cancel()
    await asyncio.wait([running])
    assert ended >= 5


async def test_lines_that_end_before_the_next_request_are_begun_at_once():
    async with asyncio.timeout(50):
        while True:
            has_ended, longest_pause_s = await short_lines_between_requests()
            if all(has_ended):
                return
            # Else the machine stood still, and a line that was under way seemed a long one.
            assert longest_pause_s > 0.1, has_ended


async def short_lines_between_requests():
    """Whether a line ended before each next request, and the longest pause of 0.02 s."""
    settings = BatchSettings(longest_yield_s=30, quiet_s=0.001)
    traffic, ended, has_ended, longest_s = Traffic(), 0, [], 0.0

    async def lines(turns):
        nonlocal ended
        while True:
            await turns.run(lambda: asyncio.sleep(0))
            ended += 1

    async def pause(count):
        nonlocal longest_s
        for _ in range(count):  # what else is due has its turn between them
            start = time.monotonic()
            await asyncio.sleep(0.02)
            longest_s = max(longest_s, time.monotonic() - start)

    running = asyncio.create_task(lines(Turns(lambda: settings, traffic)))
    for _ in range(5):
        traffic.count(waiting=1)
        await pause(1)
        before = ended
        traffic.count(waiting=-1)
        await pause(15)
        has_ended.append(ended > before)
    running.cancel()
    await asyncio.wait([running])
    return has_ended, longest_s
