"""Turns of the classes of service, without a clock: what counts is who goes next."""

import asyncio
from collections import Counter, deque

import pytest

from graphs.accounts.settings import ClassSettings
from graphs.accounts.turnstile import Turnstile
from graphs.errors import OverloadedError

CLASSES = ("priority", "default", "flex")


class Crowd:
    """Requests that wait; `served` tells in which order they were let in."""

    def __init__(self, **settings):
        self.settings = ClassSettings(**settings)
        self.turnstile = Turnstile(lambda: self.settings)
        self.served, self.refused, self.tasks = [], [], []
        self.running = deque()

    async def come(self, service_class, count=1):
        for _ in range(count):
            self.tasks.append(asyncio.create_task(self._enter(service_class)))
            await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _enter(self, service_class):
        try:
            await self.turnstile.enter(service_class)
        except OverloadedError:
            self.refused.append(service_class)
        else:
            self.served.append(service_class)
            self.running.append(service_class)

    async def go(self, count):
        """So many end, those first that came first."""
        for _ in range(count):
            self.turnstile.leave(self.running.popleft())
            await asyncio.sleep(0)

    async def end(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)


@pytest.mark.parametrize("weights", [(8, 4, 1), (1, 1, 1), (20, 2, 1)])
async def test_where_all_wait_each_class_has_its_share(weights):
    crowd = Crowd(at_once=4, max_waiting=5000, **dict(zip(CLASSES, weights, strict=True)))
    await crowd.come("default", 4)
    for one in CLASSES:
        await crowd.come(one, 600)
    crowd.served.clear()
    await crowd.go(520)
    counts = Counter(crowd.served)
    for one, weight in zip(CLASSES, weights, strict=True):
        assert counts[one] == pytest.approx(520 * weight / sum(weights), rel=0.1)
    await crowd.end()


async def test_one_of_a_higher_class_waits_for_few_of_a_lower_one():
    crowd = Crowd(at_once=4, max_waiting=5000)
    await crowd.come("flex", 1000)
    waits = []
    for _ in range(50):
        await crowd.go(8)
        before = len(crowd.served)
        await crowd.come("priority")
        while "priority" not in crowd.served[before:]:
            await crowd.go(1)
        waits.append(len(crowd.served) - before)
    assert max(waits) <= 2
    await crowd.end()


async def test_a_class_that_was_away_has_saved_no_turns():
    crowd = Crowd(at_once=1, max_waiting=5000)
    await crowd.come("default", 500)
    await crowd.go(400)
    await crowd.come("priority", 100)
    crowd.served.clear()
    await crowd.go(30)
    assert Counter(crowd.served)["default"] == 10
    await crowd.end()


async def test_flex_is_shed_first_and_never_for_its_own():
    crowd = Crowd(at_once=1, max_waiting=4)
    await crowd.come("default")
    await crowd.come("flex", 6)
    assert crowd.refused == ["flex", "flex"]
    await crowd.come("priority", 3)
    await crowd.come("default", 2)
    assert crowd.refused == [*["flex"] * 6, "default"]  # three and one wait
    await crowd.come("priority")
    assert Counter(crowd.refused) == {"flex": 6, "default": 2}
    await crowd.come("priority")
    assert crowd.refused[-1] == "priority"
    await crowd.end()


async def test_who_leaves_while_waiting_takes_no_turn():
    crowd = Crowd(at_once=1)
    await crowd.come("default", 3)
    crowd.tasks[1].cancel()
    await asyncio.sleep(0)
    await crowd.go(1)
    assert len(crowd.served) == 2
    await crowd.go(1)
    assert crowd.turnstile.num_running == 0
    await crowd.come("flex")
    assert crowd.served[-1] == "flex"
    await crowd.end()


async def test_a_turn_that_comes_as_the_client_leaves_goes_to_the_next():
    crowd = Crowd(at_once=1)
    await crowd.come("default", 3)
    crowd.turnstile.leave("default")
    crowd.tasks[1].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(crowd.served) == 2
    assert crowd.turnstile.num_running == 1
    await crowd.end()


async def test_room_that_is_kept_for_priority_is_taken_by_no_other_and_counts_as_a_turn():
    crowd = Crowd(at_once=4, kept_for_priority=1, max_waiting=5000)
    await crowd.come("flex", 600)
    assert crowd.served == ["flex"] * 3
    await crowd.come("priority")
    assert crowd.served[-1] == "priority"  # at once, though others wait
    await crowd.come("priority", 600)
    await crowd.come("default", 600)
    assert len(crowd.served) == 4
    crowd.served.clear()
    await crowd.go(520)
    counts = Counter(crowd.served)
    assert [counts[one] for one in CLASSES] == pytest.approx([320, 160, 40], rel=0.1)
    await crowd.end()


async def test_who_finds_room_that_is_kept_throws_nobody_out():
    crowd = Crowd(at_once=4, kept_for_priority=2, max_waiting=3)
    await crowd.come("default", 5)
    await crowd.come("priority")
    assert crowd.served == ["default", "default", "priority"]
    assert crowd.refused == []
    await crowd.end()


def test_what_is_kept_leaves_room_for_others():
    with pytest.raises(ValueError, match=r"below at_once \(4\), got 4"):
        ClassSettings(at_once=4, kept_for_priority=4)
    with pytest.raises(ValueError, match=r"below at_once \(None\), got 1"):
        ClassSettings(kept_for_priority=1)


async def test_where_nothing_is_set_nobody_waits():
    crowd = Crowd()
    await crowd.come("flex", 1000)
    assert len(crowd.served) == 1000
    await crowd.end()
