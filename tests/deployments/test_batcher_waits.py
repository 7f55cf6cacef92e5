"""How long calls wait that share a model, and which are refused for that."""

import asyncio

import pytest

from deployments.batching.batcher import Batcher, Workload
from models.errors import ModelBusyError
from tests.deployments.gate import Gate, batcher_of


@pytest.mark.parametrize(
    ("max_wait_s", "items", "urgent", "is_refused"),
    [
        (7, [5] * 8, False, True),
        (12, [5] * 8, False, False),  # with the batch that runs
        (7, [5] * 8, True, False),
        (7, [5], False, False),  # it is shorter than what waits, so it goes first
        (7, [5] * 33, False, False),  # a long call
    ],
)
async def test_a_short_call_that_would_wait_too_long_is_refused_and_no_other(
    max_wait_s, items, urgent, is_refused
):
    run = Gate()
    batcher = batcher_of(run, max_wait_s=max_wait_s)
    run.let_one_run()
    assert await batcher.submit([0] * 4) == [0] * 4  # tells how long an item takes
    await run.arrival()
    before = asyncio.create_task(batcher.submit([1] * 12))  # alone, so it need not wait
    await run.arrival()
    call = asyncio.create_task(batcher.submit(items, urgent=urgent))
    await asyncio.sleep(0)
    assert call.done() is is_refused
    run.open()
    assert await before == [2] * 12
    if is_refused:
        with pytest.raises(ModelBusyError, match="may wait 7 s, but this one would wait 8 s"):
            await call
    else:
        assert await call == [10] * len(items)
    assert await batcher.submit([6]) == [12]


async def test_a_short_call_that_has_waited_too_long_is_refused_and_no_other():
    """A burst, before anything tells how long an item takes."""
    run = Gate()
    batcher = batcher_of(run, max_wait_s=9)
    first = asyncio.create_task(batcher.submit([0]))
    await run.arrival()
    long = asyncio.create_task(batcher.submit([9] * 33))
    tasks = [asyncio.create_task(batcher.submit([number] * 6)) for number in range(1, 4)]
    urgent = asyncio.create_task(batcher.submit([5], urgent=True))
    await asyncio.sleep(0)
    run.open()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[:2] == [[2] * 6, [4] * 6]  # the second had waited 5 s and had begun
    assert str(answers[2]) == "a call may wait 9 s, but this one has waited 13 s"
    assert not any(3 in batch for batch in run.batches)
    assert await first == [0]
    assert await urgent == [10]
    assert await long == [18] * 33


async def test_where_no_call_may_wait_one_that_comes_to_an_idle_model_does_not():
    run = Gate(is_open=True)
    batcher = Batcher(run, cost=lambda _: 1, max_cost=4, max_wait_s=0)
    for number in range(3):
        assert await batcher.submit([number]) == [2 * number]


async def test_what_a_small_batch_costs_beside_its_items_is_not_taken_for_their_pace():
    """Checks of health and single questions, before a burst."""
    run = Gate(is_open=True)
    batcher = batcher_of(run, max_wait_s=20)
    for urgent in (True, False):
        await batcher.submit([0], urgent=urgent)
    calls = [asyncio.create_task(batcher.submit([number] * 4)) for number in range(5)]
    await asyncio.sleep(0)
    assert batcher.workload().queued_s == 0
    assert await asyncio.gather(*calls) == [[2 * number] * 4 for number in range(5)]
    assert batcher._s_per_cost == 1


async def test_the_workload_is_what_waits_at_the_pace_of_the_last_batches():
    run = Gate()
    batcher = batcher_of(run, 2)
    assert batcher.workload().queued_s == 0
    first = asyncio.create_task(batcher.submit([1, 2]))
    await run.arrival()
    run.let_one_run()
    await first
    pace_s = batcher._s_per_cost
    assert pace_s > 0
    second = asyncio.create_task(batcher.submit([1, 2]))
    await run.arrival()
    others = [asyncio.create_task(batcher.submit([3, 4, 5], urgent=urgent)) for urgent in (0, 1)]
    await asyncio.sleep(0)
    assert batcher.workload().queued_s == pytest.approx(3 * pace_s)  # a check of health is none
    batcher.workload()
    run.now += 1
    assert batcher.workload().busy == pytest.approx(1.0)  # a batch stood before the gate
    run.open()
    await asyncio.gather(second, *others)
    batcher.workload()
    run.now += 1
    assert batcher.workload() == Workload(queued_s=0.0, busy=0.0)
