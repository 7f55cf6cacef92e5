"""Replicas that a rate within a latency takes: queues before what one replica is known to do.

Encoders, search and filter are queues of single calls (queues.py); a generator that writes decodes
many answers at once (answering.py), one that only quotes is a queue as well. Figures of one replica
come from `python -m cluster.calibrate`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from cluster.planning.answering import Speed, answering
from cluster.planning.queues import Latency, percentile_95, queueing
from cluster.planning.wanted import Boundary, Calibration, Wanted, Writing, latency_of

_MAX_REPLICAS = 10_000
_NOTHING = 1e-3  # part of the latency that is asked for
_BUSIEST = 0.85  # part of its capacity beyond which a queue is no longer steady in practice


@dataclass(frozen=True, kw_only=True)
class _Model:
    """A deployment before a rate.

    Attributes:
        name: of it.
        load: what one replica would be busy, were it alone; 2.0: two are.
        least: replicas that carry the rate.
        alone: a question without any other.
        beside: what questions meet at so many replicas.
        times: calls that a question waits for.
    """

    name: str
    load: float
    least: int
    alone: Latency
    beside: Callable[[int], Latency]
    times: float = 1.0

    def at(self, replicas: int) -> Boundary:
        """What so many replicas make of it."""
        return self._as_boundary(self.beside(replicas), replicas)

    @property
    def best(self) -> Boundary:
        """What no number of replicas is better than."""
        return self._as_boundary(self.alone, _MAX_REPLICAS)

    def _as_boundary(self, each: Latency, replicas: int) -> Boundary:
        return Boundary(
            deployment=self.name, replicas=replicas, mean_s=each.mean_s * self.times,
            latency_s=each.latency_95_s * self.times, busy=min(1.0, self.load / replicas),
        )  # fmt: skip


def boundaries(wanted: Wanted, measured: Calibration) -> tuple[Boundary, ...]:
    """The fewest replicas of each model with which a question is answered in time.

    Each has as many as carry the rate; while questions take too long, that model gets one more, or
    a tenth more, by which they become fastest. Where none makes a difference, as a generator whose
    users come in whole numbers, it is the one that is furthest from what it does alone.
    """
    models = [
        _queue(name, work_s, wanted)
        for name, work_s in measured.work_s.items()
        if work_s and wanted.calls_of(name)
    ]
    if measured.writing is not None:
        models.append(_generator(wanted, measured.writing))
    goal_s = wanted.latency_s * (1 + _NOTHING)  # a simulated mean is not quite the true one
    too_many = [one for one in models if one.least > _MAX_REPLICAS]
    if too_many or latency_of([one.best for one in models]) > goal_s:
        return _unreached(models, too_many)
    found = [one.at(one.least) for one in models]
    while latency_of(found) > goal_s:
        tried = _with_more(models, found)
        if not tried:
            return _unreached(models, too_many)
        better = min(tried.values(), key=latency_of)
        if latency_of(found) - latency_of(better) < _NOTHING * wanted.latency_s:
            better = tried[max(tried, key=lambda index: _above(models[index], found[index]))]
        found = better
    return tuple(found)


def _unreached(models: Sequence[_Model], too_many: Sequence[_Model]) -> tuple[Boundary, ...]:
    """The models, without a number those that no number of replicas makes fast enough."""
    slowest = too_many or [max(models, key=lambda one: one.best.mean_s)]
    return tuple(
        replace(one.best, replicas=None, busy=1.0) if one in slowest else one.at(one.least)
        for one in models
    )


def _with_more(models: Sequence[_Model], found: list[Boundary]) -> dict[int, list[Boundary]]:
    """The same with more replicas of one model, by its index; those with the most are left out."""
    tried = {}
    for index, model in enumerate(models):
        number = found[index].replicas or 1
        if number < _MAX_REPLICAS:
            more = model.at(min(_MAX_REPLICAS, number + max(1, number // 10)))
            tried[index] = [*found[:index], more, *found[index + 1 :]]
    return tried


def _above(model: _Model, found: Boundary) -> float:
    """Seconds that questions spend there above what they do alone."""
    return found.latency_s - model.best.latency_s


def _queue(name: str, work_s: Sequence[float], wanted: Wanted) -> _Model:
    rate = wanted.rate * wanted.calls_of(name)
    mean_s = sum(work_s) / len(work_s)
    return _Model(
        name=name, load=rate * mean_s, least=_least(rate * mean_s, wanted),
        alone=Latency(mean_s=mean_s, latency_95_s=percentile_95(work_s)),
        beside=cache(
            lambda replicas: queueing(replicas, work_s, rate, users=wanted.users or None)
        ),
        times=wanted.waits_of(name),
    )  # fmt: skip


def _least(load: float, wanted: Wanted) -> int:
    """Replicas that carry a load; users who wait for an answer do not ask, so nothing piles up."""
    return 1 if wanted.users else max(1, math.ceil(load / _BUSIEST))


def speed_of(wanted: Wanted, measured: Writing) -> Speed:
    """What one generator does with the prompts and answers that are wanted."""
    return Speed(
        prefill_s=wanted.prompt_tokens / measured.prefill_tokens_per_s,
        answer_tokens=wanted.answer_tokens, step_s=measured.step_s,
        step_s_per_answer=measured.step_s_per_answer, slots=measured.slots,
    )  # fmt: skip


def _generator(wanted: Wanted, measured: Writing) -> _Model:
    speed = speed_of(wanted, measured)
    load = wanted.rate / speed.most_rate

    def beside(replicas: int) -> Latency:
        users = math.ceil(wanted.users / replicas) if wanted.users else None
        return answering(speed, wanted.rate / replicas, users=users)

    return _Model(
        name="Generator", load=load, least=_least(load, wanted),
        alone=Latency(mean_s=speed.alone_s, latency_95_s=speed.alone_s), beside=cache(beside),
    )  # fmt: skip
