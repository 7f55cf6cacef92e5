"""Which numbers of an engine become which metrics."""

from deployments.engine_metrics import (
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    EngineMetrics,
    _gauges,
    _increments,
    told_name,
)
from models.engines.measuring import Activity
from models.generation import EngineStats


def activity(**sums):
    counted = {"num_prefix_asked": 0, "num_prefix_found": 0, "num_preempted": 0} | sums
    return Activity(
        engine=EngineStats(num_running=2, num_waiting=1, cache_use=0.5, **counted),
        num_running_tokens=30, num_waiting_tokens=9, num_prompt_tokens=20, num_tokens=10,
        first_token_s=(0.2,), token_s=(0.1, 0.1),
    )  # fmt: skip


def test_every_number_has_its_metric():
    assert set(_gauges(activity())) == set(GAUGES)
    assert set(_increments(activity(), None)) == set(COUNTERS)


def test_sums_of_the_engine_are_counted_once():
    first, second = (
        activity(num_preempted=3, num_drafted=8),
        activity(num_preempted=4, num_drafted=9),
    )
    assert _increments(first, None)["preemptions"] == 3
    told = _increments(second, first.engine)
    assert (told["preemptions"], told["drafted_tokens"], told["generated_tokens"]) == (1, 1, 10)


def test_what_is_told_twice_is_one_metric_each():
    made = EngineMetrics("bundled:generator")
    for num in (1, 2):
        sums = ("preempted", "prefix_asked", "prefix_found", "drafted", "accepted")
        made.record(activity(**{f"num_{name}": num for name in sums}))
    assert set(made._made) == {*GAUGES, *COUNTERS, *HISTOGRAMS}
    assert told_name("cache_use") == "ragfleet_engine_cache_use"
