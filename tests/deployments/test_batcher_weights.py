"""Calls of several weights at one model: each weight has its share, and none starves."""

import asyncio
from collections import Counter
from itertools import chain

import pytest

from models.errors import ModelBusyError
from tests.deployments.gate import Gate, batcher_of

PRIORITY, DEFAULT, FLEX = 8.0, 4.0, 1.0


async def batches_of(num_batches, *offered, max_cost=4):
    """Runs batches while calls of each kind never end; gives the items of each.

    Args:
        offered: weight and length of the calls of one kind; the items are the kind's place.
    """
    run = Gate()
    batcher = batcher_of(run, max_cost)
    first = asyncio.create_task(batcher.submit([99]))
    await run.arrival()
    tasks, waiting = [], Counter()
    for _ in range(num_batches):
        for kind, (weight, length) in enumerate(offered):
            while waiting[kind] < 8:
                call = asyncio.create_task(batcher.submit([kind] * length, weight=weight))
                call.add_done_callback(lambda _, kind=kind: waiting.subtract([kind]))
                waiting[kind] += 1
                tasks.append(call)
        await asyncio.sleep(0)
        run.let_one_run()
        await run.arrival()
    run.open()
    await asyncio.gather(first, *tasks)
    return run.batches[1 : num_batches + 1]


@pytest.mark.parametrize("lengths", [(1, 1, 1), (2, 6, 1), (5, 1, 3)])
async def test_where_all_wait_each_weight_has_its_share_of_the_work(lengths):
    offered = list(zip((PRIORITY, DEFAULT, FLEX), lengths, strict=True))
    items = Counter(chain.from_iterable(await batches_of(260, *offered)))
    shares = [items[kind] / items.total() for kind in range(3)]
    assert shares == pytest.approx([8 / 13, 4 / 13, 1 / 13], abs=0.02)


async def test_a_weight_alone_has_all():
    assert {item for batch in await batches_of(20, (FLEX, 3)) for item in batch} == {0}


async def test_one_that_was_away_has_saved_up_no_turns():
    run = Gate()
    batcher = batcher_of(run, max_cost=1)
    tasks = [asyncio.create_task(batcher.submit([1] * 4, weight=FLEX)) for _ in range(40)]
    for _ in range(100):
        await run.arrival()
        run.let_one_run()
    await run.arrival()
    num_before = len(run.batches)
    tasks += [asyncio.create_task(batcher.submit([8], weight=FLEX * 2)) for _ in range(40)]
    await asyncio.sleep(0)
    for _ in range(30):
        run.let_one_run()
        await run.arrival()
    items = Counter(chain.from_iterable(run.batches[num_before:]))
    assert items[8] == pytest.approx(20, abs=2)  # and not 30
    run.open()
    await asyncio.gather(*tasks)


async def test_a_short_call_of_any_weight_goes_before_long_ones():
    run = Gate()
    batcher = batcher_of(run)
    first = asyncio.create_task(batcher.submit([0]))
    await run.arrival()
    long = asyncio.create_task(batcher.submit([1] * 40, weight=PRIORITY))
    short = asyncio.create_task(batcher.submit([2] * 3, weight=FLEX))
    await asyncio.sleep(0)
    run.open()
    await asyncio.gather(first, long, short)
    assert run.batches[1] == [2] * 3


async def test_how_long_a_call_will_wait_is_reckoned_by_its_weight():
    """Before it are those of its weight, and of another weight what that one gets until then."""
    run = Gate()
    batcher = batcher_of(run, max_wait_s=12)
    run.let_one_run()
    assert await batcher.submit([0] * 4) == [0] * 4  # tells how long an item takes: a second
    await run.arrival()
    before = [asyncio.create_task(batcher.submit([1] * 4, weight=FLEX)) for _ in range(4)]
    await run.arrival()  # of the first of them
    heavy = asyncio.create_task(batcher.submit([9] * 8, weight=PRIORITY))
    await asyncio.sleep(0)
    with pytest.raises(ModelBusyError, match="may wait 12 s, but this one would wait 20 s"):
        await batcher.submit([7] * 8, weight=FLEX)  # 12 of its own weight, and 8 of the other
    light = asyncio.create_task(batcher.submit([5] * 8, weight=PRIORITY * 8))
    run.open()
    assert await light == [10] * 8  # before it is an eighth of what it has itself
    await asyncio.gather(heavy, *before, return_exceptions=True)
