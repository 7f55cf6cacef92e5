"""Answers that went on at another replica: bounded, once each, newest first, of all Gateways."""

import asyncio
from dataclasses import replace

import pytest
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException

from graphs.caller import Caller
from graphs.observing import moves
from graphs.observing.moves import AllMoves, RecentMoves
from graphs.pipeline.trace import Trace


def moved(request_id="r", tenant="acme", position=3):
    return Trace(request_id, "chat", Caller(tenant=tenant)), "replica_lost", position


def test_a_move_tells_its_request_and_why_and_no_text():
    recent = RecentMoves()
    recent.add(*moved("request-1", position=7))
    (one,) = recent.latest()
    assert (one.request_id, one.tenant) == ("request-1", "acme")
    assert (one.reason, one.position) == ("replica_lost", 7)


def test_so_many_are_kept_and_the_oldest_go_first():
    recent = RecentMoves()
    for number in range(60):
        recent.add(*moved(f"request-{number}"))
    told = [one.request_id for one in recent.latest()]
    assert told == [f"request-{number}" for number in range(59, 9, -1)]


@pytest.fixture
def gateways():
    return RecentMoves(), RecentMoves()


def test_the_moves_of_all_gateways_are_told_once_and_newest_first(gateways):
    here, there = gateways
    for name, gateway in (("first", here), ("second", there), ("third", here)):
        gateway.add(*moved(name))
    every = AllMoves(here)
    for _ in range(2):
        every.take((*here.latest(), *there.latest()))
    assert [one.request_id for one in every.latest()] == ["third", "second", "first"]
    assert len({one.id for one in every.latest()}) == 3


def test_what_a_gateway_told_stands_when_it_is_gone_and_there_is_a_limit(gateways):
    here, there = gateways
    there.add(*moved("of the lost one"))
    every = AllMoves(here)
    every.take(there.latest())
    every.take(())
    assert [one.request_id for one in every.latest()] == ["of the lost one"]
    (one,) = there.latest()
    every.take(replace(one, id=f"x-{number}", at=one.at + number) for number in range(60))
    assert len(every.latest()) == 50


class Gateways:
    """A handle to Gateways, some of which answer."""

    def __init__(self, *answers, delay_s=0.0):
        self._answers, self._delay_s = answers, delay_s

    def broadcast(self, method):
        assert method == "moves"
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
async def test_gateways_that_do_not_answer_are_left_out(
    gateways, monkeypatch, answers, delay_s, is_told
):
    here, there = gateways
    there.add(*moved("of another"))
    monkeypatch.setattr(moves, "_ASK_S", 0.05)
    every = [there.latest(), *answers] if answers else []
    monkeypatch.setattr(moves, "_gateways", lambda: Gateways(*every, delay_s=delay_s))
    known = AllMoves(here)
    await known.ask()
    here.add(*moved("own"))
    told = [one.request_id for one in known.latest()]
    assert told == (["own", "of another"] if is_told else ["own"])


async def test_a_controller_that_is_away_takes_nothing_away(gateways, monkeypatch):
    def away():
        raise RayServeException("no controller")

    here, _ = gateways
    here.add(*moved("own"))
    monkeypatch.setattr(moves, "_gateways", away)
    known = AllMoves(here)
    await known.ask()
    assert [one.request_id for one in known.latest()] == ["own"]
