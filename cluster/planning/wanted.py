"""Replicas that a rate within a latency takes: queues before what one replica is known to do.

Encoders, search and filter are M/M/c queues (Erlang's C formula); a generator decodes many answers
at once, each step taking longer the more there are, so its answers share the steps (processor
sharing with a limit of slots). Figures of one replica come from `python -m cluster.calibrate`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from models.errors import InvalidInputError, check_limits

_MAX_REPLICAS = 10_000
_BUSIEST = 0.85  # part of its capacity beyond which a queue is no longer steady in practice


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a service is asked for.

    Attributes:
        latency_s: until 95 of 100 answers are whole.
        rate: questions a second.
        prompt_tokens: of a question with its passages.
        answer_tokens: of an answer.
        users: that ask at once; 0: any number. They bound what can be under way.
    """

    latency_s: float
    rate: float
    prompt_tokens: int = 1000
    answer_tokens: int = 200
    users: int = 0

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_limits(self, {"prompt_tokens": (0, math.inf), "answer_tokens": (1, math.inf)})
        check_limits(self, {"users": (0, math.inf)})
        for name in ("latency_s", "rate"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(f"{name} must be above 0, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What one replica of each model does, as measured.

    Attributes:
        service_s: deployment -> seconds that it works for one question, alone.
        prefill_tokens_per_s: prompt tokens a second of one generator.
        step_s: seconds of a decoding step with one answer.
        step_s_per_answer: seconds that each further answer adds to a step.
        slots: answers that a generator decodes at once.
    """

    service_s: Mapping[str, float]
    prefill_tokens_per_s: float
    step_s: float
    step_s_per_answer: float
    slots: int


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """What a model takes of a goal.

    Attributes:
        deployment: which.
        replicas: that it takes; None: no number does.
        latency_s: 95 of 100 questions spend less there.
        busy: part of its time that a replica works.
    """

    deployment: str
    replicas: int | None
    latency_s: float
    busy: float


def boundaries(wanted: Wanted, measured: Calibration) -> tuple[Boundary, ...]:
    """The fewest replicas of each model with which a question is answered in time.

    Encoders get a fifth of the time together, or what they need alone if that is more; the
    generator gets the rest.
    """
    found = []
    alone = sum(measured.service_s.values())
    budget = max(wanted.latency_s / 5, 3.5 * alone)
    for name, service_s in measured.service_s.items():
        share = budget * service_s / alone if alone else budget
        found.append(_queue(name, service_s, wanted.rate, share))
    left = wanted.latency_s - sum(one.latency_s for one in found)
    found.append(_generators(wanted, measured, left))
    return tuple(found)


def waits(servers: int, load: float) -> float:
    """Erlang's C: the part of calls that wait, of `load` (rate x service time) at `servers`."""
    if load >= servers:
        return 1.0
    blocked = 1.0  # Erlang's B, by its recurrence
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    return blocked / (1 - load / servers * (1 - blocked))


def sojourn_95_s(servers: int, service_s: float, rate: float) -> float:
    """The 95th percentile of waiting and work in an M/M/c queue; infinite where it grows."""
    load = rate * service_s
    if load >= servers:
        return math.inf
    waiting, leave = waits(servers, load), servers / service_s - rate
    work = 1 / service_s
    low, high = 0.0, 100 * service_s + 100 / leave

    def above(time: float) -> float:
        """P(T > time), T = exponential work + a wait that is exponential with chance `waiting`."""
        if math.isclose(leave, work):
            return math.exp(-work * time) * (1 + waiting * work * time)
        late = (math.exp(-leave * time) * work - math.exp(-work * time) * leave) / (work - leave)
        return waiting * late + (1 - waiting) * math.exp(-work * time)

    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if above(middle) > 0.05 else (low, middle)
    return high


def _queue(name: str, service_s: float, rate: float, share_s: float) -> Boundary:
    # 3 times the work is the 95th percentile of the work alone: no number of replicas is faster.
    goal = max(share_s, 3.05 * service_s)
    for number in range(max(1, math.ceil(rate * service_s / _BUSIEST)), _MAX_REPLICAS):
        latency = sojourn_95_s(number, service_s, rate)
        if latency <= goal:
            return Boundary(
                deployment=name, replicas=number, latency_s=latency,
                busy=rate * service_s / number,
            )  # fmt: skip
    return Boundary(deployment=name, replicas=None, latency_s=math.inf, busy=1.0)


def answer_s(wanted: Wanted, measured: Calibration, rate: float) -> tuple[float, float]:
    """Mean seconds of an answer, and answers at once, at one generator with this rate.

    By Little's law n = rate x time(n), where time(n) grows with n; infinite where it never meets.
    """
    prefill = wanted.prompt_tokens / measured.prefill_tokens_per_s
    base = prefill + wanted.answer_tokens * (measured.step_s - measured.step_s_per_answer)
    # A prompt that is read holds up the steps of all others.
    each = wanted.answer_tokens * measured.step_s_per_answer
    busy = rate * (each + prefill)
    if busy >= 1:
        return math.inf, math.inf
    time = max(base + each, base / (1 - busy))
    return time, rate * time


def _generators(wanted: Wanted, measured: Calibration, left_s: float) -> Boundary:
    alone_s, _ = answer_s(wanted, measured, 1e-9)
    if left_s <= alone_s:
        return Boundary(deployment="Generator", replicas=None, latency_s=alone_s, busy=0.0)
    for number in range(1, _MAX_REPLICAS):
        time, at_once = answer_s(wanted, measured, wanted.rate / number)
        if wanted.users:
            at_once = min(at_once, wanted.users / number)
        # Arrivals are random: 2 deviations above the mean have to find a slot.
        peak = at_once + 2 * math.sqrt(at_once)
        if time <= left_s and peak <= measured.slots:
            return Boundary(
                deployment="Generator", replicas=number, latency_s=time,
                busy=at_once / measured.slots,
            )  # fmt: skip
    return Boundary(deployment="Generator", replicas=None, latency_s=math.inf, busy=1.0)
