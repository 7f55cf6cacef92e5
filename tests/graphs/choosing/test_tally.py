"""When two versions surely differ, and how seldom two that are alike seem to."""

import random

import pytest

from graphs.choosing.canary import FIRST, SECOND, Canary
from graphs.choosing.tally import bounds, sure_rise
from graphs.settings import CanarySettings


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
