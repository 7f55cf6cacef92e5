"""Whose answers count, when two versions surely differ, and how seldom two alike seem to."""

import asyncio
import random

import pytest

from graphs.choosing.canary import FIRST, SECOND, Canary
from graphs.choosing.tally import bounds, sure_rise
from graphs.settings import CanarySettings
from tests.graphs.choosing.scripted import Clock, Version, ask, made, request, run


def test_two_versions_that_are_alike_are_seldom_told_apart():
    """Every twentieth answer of both is flagged; it is judged after each of 600."""
    chance, rolled_back = random.Random(1), 0
    for _ in range(100):
        canary = Canary(CanarySettings(share=0.2))
        for number in range(600):
            version = SECOND if number % 5 == 0 else FIRST
            with canary._tallies[version].watched() as answer:
                answer.flagged = chance.random() < 0.05
            if number % 5 == 0 and canary._fault():
                rolled_back += 1
                break
    assert rolled_back <= 8


def test_the_bounds_are_those_of_wilson_and_of_newcombe(monkeypatch):
    # scipy, binomtest(...).proportion_ci(0.99, method="wilson")
    assert bounds(0, 10) == pytest.approx((0.0, 0.3989), abs=1e-4)
    assert bounds(5, 5) == pytest.approx((0.4297, 1.0), abs=1e-4)
    assert bounds(10, 100) == pytest.approx((0.0460, 0.2038), abs=1e-4)
    assert sure_rise((0, 0), (5, 5)) == pytest.approx(0.4297, abs=1e-4)
    monkeypatch.setattr("graphs.choosing.tally._Z", 1.96)
    assert sure_rise((48, 80), (56, 70)) == pytest.approx(0.0524, abs=1e-4)  # Newcombe's table II


@pytest.mark.parametrize("worse", [{"seconds": 4.0}, {"fails_every": 2}, {"flags_every": 2}])
async def test_another_model_under_the_same_name_is_judged_by_its_own_answers(worse):
    """500 good answers of the one before it would hide that for as many more."""
    clock = Clock()
    canary = made(clock)
    await run(canary, clock, Version(clock, "two"), count=2500)
    bad = Version(clock, "three", **worse)
    await run(canary, clock, bad, count=500)
    assert canary.rolled_back
    assert len(bad.asked) <= 50


async def test_an_answer_that_the_model_before_it_began_is_not_its_own():
    clock = Clock()
    canary = made(clock, share=1.0)
    old, new = Version(clock, "two"), Version(clock, "three")
    late = canary.answer(request(0), old, old)
    await anext(late)
    for number in range(1, 6):
        await ask(canary, request(number), new, new)
    _ = [event async for event in late]
    assert canary.status().second.answers == 5


async def test_a_version_whose_replicas_have_two_models_is_judged_all_the_same():
    """As when one replica cannot load the new one, and keeps the old one."""
    clock = Clock()
    canary, first = made(clock), Version(clock, "one")
    seconds = [Version(clock, name, fails_every=2) for name in ("two", "three")]
    for number in range(300):
        await ask(canary, request(number), first, seconds[number % 2])
    assert canary.rolled_back


async def test_another_model_of_the_first_version_says_nothing_against_the_second():
    clock = Clock()
    canary, second = made(clock), Version(clock, "two", flags_every=20)
    for name in ("one", "other"):
        first = Version(clock, name, flags_every=20)
        for number in range(1000):
            await ask(canary, request(number), first, second)
    assert canary.rolled_back == ""
    assert canary.status().first.flagged > 0


@pytest.mark.parametrize("shadow", [False, True])
async def test_adapters_of_a_version_are_judged_together(shadow):
    clock = Clock()
    canary = made(clock, share=1.0, shadow=shadow)
    for number in range(12):
        version = Version(clock, f"digest {number % 2}")
        await ask(canary, request(number, adapter="ab"[number % 2]), version, version)
        await asyncio.sleep(0)
    await asyncio.sleep(0.01)
    assert canary.status().second.answers == 12
