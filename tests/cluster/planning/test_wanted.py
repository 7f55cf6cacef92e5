"""The queueing model beside a simulation of the queue, and what it asks for at its edges."""

import heapq
import math
import random

import pytest

from cluster.planning.wanted import (
    Calibration,
    Wanted,
    answer_s,
    boundaries,
    sojourn_95_s,
    waits,
)
from models.errors import InvalidInputError

MEASURED = Calibration(
    service_s={"Embedder": 0.02, "Reranker": 0.2},
    prefill_tokens_per_s=4000, step_s=0.02, step_s_per_answer=0.0004, slots=64,
)  # fmt: skip


def simulated_95_s(servers, service_s, rate, calls=300_000):
    """A first come, first served queue with random arrivals and work."""
    chance = random.Random(1)
    free, now, spent = [0.0] * servers, 0.0, []
    for _ in range(calls):
        now += chance.expovariate(rate)
        start = max(now, heapq.heappop(free))
        end = start + chance.expovariate(1 / service_s)
        heapq.heappush(free, end)
        spent.append(end - now)
    return sorted(spent)[int(0.95 * calls)]


@pytest.mark.parametrize(("servers", "load"), [(1, 0.5), (2, 1.6), (4, 2.0), (8, 6.8)])
def test_the_latency_of_a_queue_is_that_of_its_simulation(servers, load):
    told = sojourn_95_s(servers, 0.1, load / 0.1)
    assert told == pytest.approx(simulated_95_s(servers, 0.1, load / 0.1), rel=0.1)


def simulated_answer_s(wanted, measured, rate, answers=3000):
    """A generator step by step: prompts are read between steps, and hold up all others."""
    chance = random.Random(2)
    arrivals, now = [], 0.0
    for _ in range(answers):
        now += chance.expovariate(rate)
        arrivals.append(now)
    clock, running, spent, next_one = 0.0, [], [], 0
    while len(spent) < answers:
        if not running:
            clock = max(clock, arrivals[next_one])
        while next_one < answers and arrivals[next_one] <= clock:
            clock += wanted.prompt_tokens / measured.prefill_tokens_per_s
            running.append([wanted.answer_tokens, arrivals[next_one]])
            next_one += 1
        clock += measured.step_s + measured.step_s_per_answer * (len(running) - 1)
        for one in running:
            one[0] -= 1
        spent += [clock - start for left, start in running if left == 0]
        running = [one for one in running if one[0]]
    return sum(spent) / len(spent)


@pytest.mark.parametrize("rate", [0.2, 1.0, 2.0])
def test_the_time_of_an_answer_is_that_of_a_simulated_generator(rate):
    wanted = Wanted(latency_s=10, rate=rate, prompt_tokens=400, answer_tokens=100)
    told, _ = answer_s(wanted, MEASURED, rate)
    assert told == pytest.approx(simulated_answer_s(wanted, MEASURED, rate), rel=0.12)


def test_erlang_c_has_its_known_values():
    assert waits(1, 0.7) == pytest.approx(0.7)
    assert waits(2, 1.0) == pytest.approx(1 / 3)
    assert waits(2, 2.0) == 1.0


def test_more_questions_take_more_replicas_never_fewer():
    counts = [
        [one.replicas for one in boundaries(Wanted(latency_s=10, rate=rate), MEASURED)]
        for rate in (1, 10, 100)
    ]
    assert all(a <= b <= c for a, b, c in zip(*counts, strict=True))
    assert counts[0] == [1, 1, 1]


def test_a_latency_below_one_answer_alone_is_reached_by_no_number():
    found = boundaries(Wanted(latency_s=2, rate=1, answer_tokens=200), MEASURED)
    assert found[-1].deployment == "Generator"
    assert found[-1].replicas is None


def test_few_users_bound_what_is_under_way():
    many = boundaries(Wanted(latency_s=30, rate=50), MEASURED)[-1].replicas
    few = boundaries(Wanted(latency_s=30, rate=50, users=20), MEASURED)[-1].replicas
    assert few <= many


def test_a_queue_that_grows_has_no_latency():
    assert sojourn_95_s(2, 0.1, 20) == math.inf


@pytest.mark.parametrize("values", [{"latency_s": 0}, {"rate": -1}, {"answer_tokens": 0}])
def test_what_cannot_be_asked_for_is_refused(values):
    with pytest.raises(InvalidInputError):
        Wanted(**{"latency_s": 1, "rate": 1, **values})
