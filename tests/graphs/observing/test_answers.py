"""The last answers of a Gateway: a few are remembered, all of the last minutes are counted."""

import pytest

from graphs.observing.answers import RecentAnswers
from graphs.pipeline.events import Generated
from graphs.pipeline.trace import Trace


class Clock:
    """A time that passes when told."""

    def __init__(self):
        self.now = 1_700_000_000.5

    def __call__(self):
        return self.now


def ended(outcome="answered", tokens=6):
    trace = Trace("request")
    trace.count(
        Generated(
            stage="generate", num_prompt_tokens=5, num_completion_tokens=tokens, num_migrations=0
        )
    )
    trace.outcome = outcome
    return trace


def test_the_rate_is_that_of_a_minute_however_many_answers_it_had():
    clock = Clock()
    recent = RecentAnswers(clock)
    for _ in range(900):  # ten in a second
        recent.add(ended())
        clock.now += 0.1
    assert len(recent.latest()) == 50
    assert recent.tokens_per_s() == pytest.approx(60, rel=0.03)  # the last second is not over
    clock.now += 30
    assert recent.tokens_per_s() == pytest.approx(30, rel=0.06)
    clock.now += 31
    assert recent.tokens_per_s() == 0


def test_how_answers_ended_is_counted_over_five_minutes():
    clock = Clock()
    recent = RecentAnswers(clock)
    for outcome in [*["answered"] * 400, *["unavailable"] * 100]:
        recent.add(ended(outcome))
    clock.now += 290
    recent.add(ended("overloaded"))
    assert recent.outcomes() == {"answered": 400, "unavailable": 100, "overloaded": 1}
    clock.now += 11
    assert recent.outcomes() == {"overloaded": 1}
    clock.now += 300
    assert recent.outcomes() == {}


def test_what_is_kept_has_a_limit():
    clock = Clock()
    recent = RecentAnswers(clock)
    for _ in range(1_000):
        recent.add(ended())
        clock.now += 1
    assert recent.outcomes() == {"answered": 299}
    assert recent.tokens_per_s() == 59 * 6 / 60
