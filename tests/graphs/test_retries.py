"""Losing replicas: pure calls are repeated within limits."""

import asyncio
from contextlib import suppress

import pytest

from graphs.config import FailoverSettings
from graphs.deadline import deadline_in
from graphs.errors import (
    DeadlineError,
    OverloadedError,
    PoisonRequestError,
    ReplicaDiedError,
    ReplicaLostError,
    StageUnavailableError,
)
from graphs.failover import Retries, RetryBudget
from models.errors import InvalidInputError


class Calls:
    """A pure call that fails with each of `errors` in turn and then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.count = 0

    async def __call__(self):
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"


async def run(calls, **settings):
    return await Retries(FailoverSettings(**settings)).run("Embedder", calls)


async def test_a_pure_call_is_made_again_when_its_replica_was_lost():
    calls = Calls(ReplicaLostError("lost"), ReplicaDiedError("died"))
    assert await run(calls) == "answer"
    assert calls.count == 3


async def test_it_is_made_three_times_at_most():
    calls = Calls(*[ReplicaLostError("lost")] * 3)
    with pytest.raises(ReplicaLostError):
        await run(calls)
    assert calls.count == 3


async def test_a_call_over_which_two_replicas_died_gets_no_third():
    calls = Calls(*[ReplicaDiedError("died")] * 3)
    with pytest.raises(PoisonRequestError, match="Embedder"):
        await run(calls)
    assert calls.count == 2


@pytest.mark.parametrize(
    "error",
    [OverloadedError("full"), StageUnavailableError("none"), InvalidInputError("bad"),
     DeadlineError("passed"), asyncio.CancelledError()],
)  # fmt: skip
async def test_only_a_loss_is_retried(error):
    calls = Calls(error)
    with pytest.raises(type(error)):
        await run(calls)
    assert calls.count == 1


async def test_no_retry_after_the_deadline():
    calls = Calls(ReplicaLostError("lost"))
    with deadline_in(0.0), pytest.raises(ReplicaLostError):
        await run(calls)
    assert calls.count == 1


async def test_retries_are_a_tenth_of_the_requests_over_time():
    retries = Retries(FailoverSettings(retry_burst=5))
    num_calls = 0
    for _ in range(500):
        calls = Calls(ReplicaLostError("lost"))
        with suppress(ReplicaLostError):
            await retries.run("Embedder", calls)
        num_calls += calls.count
    assert 500 + 45 <= num_calls <= 500 + 56


def test_the_budget_never_holds_more_than_its_burst():
    budget = RetryBudget(ratio=0.5, burst=2)
    for _ in range(100):
        budget.earn()
    assert [budget.spend() for _ in range(3)] == [True, True, False]
