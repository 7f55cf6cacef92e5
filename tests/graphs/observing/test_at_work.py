"""What all Gateways do together, where some of them answer late, or not at all."""

import asyncio

import pytest
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from graphs.caller import Caller
from graphs.observing import at_work
from graphs.observing.answers import AnswerState, RecentAnswers
from graphs.observing.at_work import AllWork, AtWork, OwnWork, QueueState
from graphs.observing.moves import RecentMoves
from graphs.pipeline.trace import Trace


def move(name):
    recent = RecentMoves()
    recent.add(Trace(name, "chat", Caller(tenant="acme")), "replica_lost", 3)
    return recent.latest()


def answer(name, ended_at):
    return AnswerState(
        request_id=name, tenant="acme", ended_at=ended_at, outcome="stop", latency_ms=1.0,
        tokens=1, passages=1, migrations=0, degraded=(),
    )  # fmt: skip


def work(gateway, *, waiting=0, **more):
    return AtWork(
        gateway=gateway, queues={"Generator": QueueState(waiting=waiting, working=1)}, **more
    )


def names(told):
    return [one.request_id for one in told]


def test_what_gateways_do_is_added_up():
    here = work("a", waiting=2, tokens_per_s=1.5, outcomes={"stop": 3, "timeout": 1},
                answers=(answer("new", 9.0), answer("old", 1.0)))  # fmt: skip
    there = work("b", waiting=5, tokens_per_s=2.0, outcomes={"stop": 4},
                 answers=(answer("between", 5.0),))  # fmt: skip
    every = AllWork(lambda: here)
    every.take((work("a", waiting=99), there))  # itself as it was when it was asked
    told = every.now()
    assert (told.gateway, told.tokens_per_s) == ("a", 3.5)
    assert told.outcomes == {"stop": 7, "timeout": 1}
    assert told.queues == {"Generator": QueueState(waiting=7, working=2)}
    assert names(told.answers) == ["new", "between", "old"]


def test_moves_of_a_gateway_that_is_gone_stand_and_all_else_of_it_ends():
    here = work("a", moves=move("own"))
    every = AllWork(lambda: here)
    every.take((work("b", tokens_per_s=2.0, moves=move("of the lost one")),))
    every.take(())
    told = every.now()
    assert told.tokens_per_s == 0
    assert set(names(told.moves)) == {"own", "of the lost one"}


def test_a_gateway_tells_its_own_without_asking_anybody():
    own = OwnWork(RecentAnswers(), dict, RecentMoves())
    first, second = own.now(), OwnWork(RecentAnswers(), dict, RecentMoves()).now()
    assert first.gateway == own.now().gateway != second.gateway
    assert (first.answers, first.tokens_per_s, first.queues, first.moves) == ((), 0.0, {}, ())


class Gateways:
    """A handle to Gateways, some of which answer."""

    def __init__(self, *answers, delay_s=0.0):
        self._answers, self._delay_s = answers, delay_s

    def broadcast(self, method):
        assert method == "at_work"
        return self

    async def results_async(self, *, return_exceptions):
        assert return_exceptions
        await asyncio.sleep(self._delay_s)
        return list(self._answers)


@pytest.mark.parametrize(
    ("answers", "delay_s", "is_told"),
    [((), 0, False), ((RayError("lost"),), 0, True), ((), 60, False)],
    ids=["nobody", "one is lost", "one is frozen"],
)
async def test_gateways_that_do_not_answer_are_left_out(monkeypatch, answers, delay_s, is_told):
    there = work("b", moves=move("of another"))
    monkeypatch.setattr(at_work, "_ASK_S", 0.05)
    every = [there, *answers] if answers else []
    monkeypatch.setattr(at_work, "_gateways", lambda: Gateways(*every, delay_s=delay_s))
    known = AllWork(lambda: work("a", moves=move("own")))
    await known.ask()
    told = set(names(known.now().moves))
    assert told == ({"own", "of another"} if is_told else {"own"})


async def test_a_controller_that_is_away_takes_nothing_away(monkeypatch):
    def away():
        raise RayServeException("no controller")

    monkeypatch.setattr(at_work, "_gateways", away)
    known = AllWork(lambda: work("a", tokens_per_s=1.0, moves=move("own")))
    await known.ask()
    assert names(known.now().moves) == ["own"]
    assert known.now().tokens_per_s == 1.0
