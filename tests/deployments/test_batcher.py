"""Calls that share a model. A gate stands before each batch: no test waits for a time to pass."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.batching.batcher import Batcher
from tests.deployments.gate import Gate, batcher_of


async def behind_a_batch(*calls, max_cost=4, urgent=()):
    """Submits calls, in this order, while a batch runs; gives the later batches and the answers."""
    run = Gate()
    batcher = batcher_of(run, max_cost)
    first = asyncio.create_task(batcher.submit([0]))
    await run.arrival()
    tasks = [
        asyncio.create_task(batcher.submit(items, urgent=place in urgent))
        for place, items in enumerate(calls)
    ]
    await asyncio.sleep(0)  # every task has submitted
    run.open()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert await first == [0]
    return run.batches[1:], answers


async def test_calls_that_wait_become_one_batch():
    batches, answers = await behind_a_batch([2], [3, 3])
    assert batches == [[2, 3, 3]]
    assert answers == [[4], [6, 6]]


async def test_a_long_call_is_cut_and_its_results_keep_their_order():
    batches, [answer] = await behind_a_batch(list(range(10)))
    assert batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert answer == [2 * number for number in range(10)]


async def test_a_short_call_waits_for_one_batch_of_a_long_one():
    run = Gate()
    batcher = batcher_of(run)
    long = asyncio.create_task(batcher.submit([1] * 1000))
    for _ in range(50):
        await run.arrival()
        run.let_one_run()
    await run.arrival()
    num_before = len(run.batches)
    short = asyncio.create_task(batcher.submit([7, 7]))
    await asyncio.sleep(0)
    run.let_one_run()
    await run.arrival()
    assert run.batches[num_before] == [7, 7]
    run.open()
    assert await short == [14, 14]
    assert len(await long) == 1000


async def test_a_long_call_that_is_new_does_not_go_before_short_ones():
    batches, _ = await behind_a_batch([1] * 40, [2] * 5, [3])
    assert batches[:2] == [[3, 2, 2, 2], [2, 2]]
    assert batches[2:] == [[1] * 4] * 10


async def test_of_short_calls_those_with_least_left_go_first():
    batches, _ = await behind_a_batch([1] * 8, [2] * 2, [3] * 3, max_cost=2)
    assert batches == [[2, 2], [3, 3], [3, 1], [1, 1], [1, 1], [1, 1], [1]]


async def test_of_short_calls_that_are_alike_the_first_ends_first():
    batches, _ = await behind_a_batch([1] * 4, [2] * 4, [3] * 4, max_cost=3)
    assert batches == [[1, 1, 1], [1, 2, 2], [2, 2, 3], [3, 3, 3]]


async def test_calls_of_one_length_end_together():
    batches, answers = await behind_a_batch([1] * 200, [2] * 200)
    assert [len(answer) for answer in answers] == [200, 200]
    both = [sorted(set(batch)) for batch in batches]
    assert both.count([1, 2]) > 0.7 * len(both)


async def test_a_long_call_is_not_starved_by_short_ones_that_never_end():
    run = Gate()
    batcher = batcher_of(run, max_cost=1)
    long = asyncio.create_task(batcher.submit([1] * 20))
    shorts = []
    for _ in range(64):
        await run.arrival()
        shorts.append(asyncio.create_task(batcher.submit([2])))
        await asyncio.sleep(0)
        run.let_one_run()
    assert sum(batch == [1] for batch in run.batches[9:]) >= 5
    run.open()
    await asyncio.gather(long, *shorts)


async def test_an_urgent_call_goes_first():
    batches, _ = await behind_a_batch([1], [2], [9], max_cost=1, urgent={2})
    assert batches == [[9], [1], [2]]


@pytest.mark.parametrize("length", [1, 9])
async def test_an_error_reaches_only_the_caller_that_caused_it(length):
    _, answers = await behind_a_batch([1], [-1] * length, [3] * length)
    assert answers[0] == [2]
    assert answers[2] == [6] * length
    assert isinstance(answers[1], ValueError)


async def test_nothing_more_of_a_call_runs_after_its_error():
    batches, [error] = await behind_a_batch([-1] * 40)
    assert isinstance(error, ValueError)
    assert len(batches) == 1


async def test_a_call_whose_caller_has_gone_is_stopped_between_batches():
    run = Gate()
    batcher = batcher_of(run)
    gone = asyncio.create_task(batcher.submit([1] * 400))
    await run.arrival()
    waiting = asyncio.create_task(batcher.submit([2]))
    gone.cancel()
    run.open()
    assert await waiting == [4]
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await batcher.submit([3]) == [6]
    assert run.batches == [[1] * 4, [2], [3]]


async def test_an_item_dearer_than_a_batch_runs_alone():
    run = Gate(is_open=True)
    batcher = Batcher(run, cost=lambda item: item, max_cost=4)
    assert await batcher.submit([9, 1, 2, 2]) == [18, 2, 4, 4]
    assert run.batches == [[9], [1, 2], [2]]


async def test_no_items_have_no_results():
    run = Gate(is_open=True)
    assert await batcher_of(run).submit([]) == []
    assert run.batches == []


async def test_a_cost_that_cannot_be_told_is_an_error_of_its_caller():
    run = Gate(is_open=True)
    batcher = Batcher(run, cost=lambda item: 1 + 0 * item, max_cost=4)
    with pytest.raises(TypeError):
        await batcher.submit([None])
    assert await batcher.submit([1]) == [2]


async def test_a_model_that_loses_a_result_is_an_error_and_no_silence():
    batcher = Batcher(lambda items: items[1:], cost=lambda _: 1, max_cost=4)
    with pytest.raises(AssertionError, match="one result an item"):
        await batcher.submit([1, 2])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 30), max_size=40), min_size=1, max_size=8),
    st.integers(1, 40),
    st.sets(st.integers(0, 7)),
)
def test_every_call_gets_its_own_results_whatever_comes_together(calls, max_cost, cancelled):
    async def run_all():
        run = Gate(is_open=True)
        batcher = Batcher(run, cost=lambda item: item, max_cost=max_cost)
        tasks = [asyncio.create_task(batcher.submit(items)) for items in calls]
        await asyncio.sleep(0)
        for place in cancelled & set(range(len(tasks))):
            tasks[place].cancel()
        return run.batches, await asyncio.gather(*tasks, return_exceptions=True)

    batches, answers = asyncio.run(run_all())
    for place, (items, answer) in enumerate(zip(calls, answers, strict=True)):
        if place not in cancelled or not items:
            assert answer == [2 * item for item in items]
    assert all(len(batch) == 1 or sum(batch) <= max_cost for batch in batches)


async def test_every_batch_is_told_with_what_waits_beside_it():
    told = []
    run = Gate()
    batcher = Batcher(run, cost=lambda _: 1, max_cost=4, observe=lambda *seen: told.append(seen))
    first = asyncio.create_task(batcher.submit([0]))
    await run.arrival()
    others = [asyncio.create_task(batcher.submit([n])) for n in (1, 2)]
    await asyncio.sleep(0)
    run.open()
    await asyncio.gather(first, *others)
    assert [seen[:2] for seen in told] == [(1, 2), (2, 0)]
    assert all(seen[2] > 0 for seen in told)
