import asyncio
import threading

import pytest

from deployments.batcher import Batcher


class Recorder:
    """Doubles numbers; notes each batch; waits for permission before the first."""

    def __init__(self):
        self.batches = []
        self.may_run = threading.Event()

    def __call__(self, items):
        assert self.may_run.wait(5)
        self.batches.append(list(items))
        if -1 in items:
            raise ValueError("got -1")
        return [2 * item for item in items]


async def test_calls_that_wait_become_one_batch():
    run = Recorder()
    batcher = Batcher(run, max_items=100)
    first = asyncio.create_task(batcher.submit([1]))
    await asyncio.sleep(0.05)
    rest = [asyncio.create_task(batcher.submit([n, n])) for n in (2, 3)]
    await asyncio.sleep(0.05)
    run.may_run.set()
    assert await asyncio.gather(first, *rest) == [[2], [4, 4], [6, 6]]
    assert run.batches == [[1], [2, 2, 3, 3]]


async def test_a_batch_takes_no_more_calls_than_fit():
    run = Recorder()
    run.may_run.set()
    batcher = Batcher(run, max_items=3)
    results = await asyncio.gather(*(batcher.submit([n, n]) for n in range(4)))
    assert results == [[0, 0], [2, 2], [4, 4], [6, 6]]
    assert max(len(batch) for batch in run.batches) == 2


async def test_an_error_reaches_only_the_caller_that_caused_it():
    run = Recorder()
    batcher = Batcher(run, max_items=100)
    tasks = [asyncio.create_task(batcher.submit([n])) for n in (1, -1, 3)]
    await asyncio.sleep(0.05)
    run.may_run.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[0] == [2]
    assert results[2] == [6]
    assert isinstance(results[1], ValueError)


async def test_a_call_whose_caller_has_gone_is_not_run():
    run = Recorder()
    batcher = Batcher(run, max_items=1)
    first = asyncio.create_task(batcher.submit([1]))
    await asyncio.sleep(0.05)
    gone = asyncio.create_task(batcher.submit([2]))
    await asyncio.sleep(0.05)
    gone.cancel()
    run.may_run.set()
    assert await first == [2]
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await batcher.submit([3]) == [6]
    assert run.batches == [[1], [3]]
