"""Answers that went on at another replica: bounded, once each, newest first."""

from dataclasses import replace

from graphs.caller import Caller
from graphs.observing.moves import RecentMoves, newest_moves
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


def test_the_newest_of_many_are_told_once_each():
    here, there = RecentMoves(), RecentMoves()
    for name, gateway in (("first", here), ("second", there), ("third", here)):
        gateway.add(*moved(name))
    every = newest_moves((*here.latest(), *there.latest(), *here.latest()))
    assert [one.request_id for one in every] == ["third", "second", "first"]
    (one,) = there.latest()
    many = (replace(one, id=f"x-{number}", at=one.at + number) for number in range(60))
    assert len(newest_moves(many)) == 50
