"""One model before random calls: how long they take, by a simulation of its queue.

A call goes to the replica that is free first, which Serve's choice of the shorter of two queues
comes near. Work is drawn from what was measured: times of models vary little, and a formula for
work that varies as chance does (Erlang's C) would double them. The same calls come every time.
"""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

_CALLS = 20_000
_WARM_UP = 500  # of these, that come to idle replicas


@dataclass(frozen=True, kw_only=True)
class Latency:
    """What calls spend.

    Attributes:
        mean_s: on average, their waiting included.
        latency_95_s: 95 of 100 take less.
    """

    mean_s: float
    latency_95_s: float

    @classmethod
    def of(cls, spent_s: Sequence[float]) -> Self:
        """That of measured or simulated calls."""
        return cls(mean_s=sum(spent_s) / len(spent_s), latency_95_s=percentile_95(spent_s))


GROWING = Latency(mean_s=math.inf, latency_95_s=math.inf)


def queueing(
    servers: int, work_s: Sequence[float], rate: float, *, users: int | None = None
) -> Latency:
    """What random calls spend in waiting and work.

    Args:
        servers: replicas, each of which works on one call at a time.
        work_s: measured seconds of single calls; at least one.
        rate: calls a second.
        users: that call; who has a call under way makes no other. None: any number.

    Returns:
        Infinite times where the queue grows.
    """
    if users is None and rate * sum(work_s) / len(work_s) >= servers:
        return GROWING
    chance = random.Random(1)
    free, now, spent = [0.0] * servers, 0.0, []
    under_way: list[float] = []  # when they end
    for _ in range(_CALLS):
        if users is not None and len(under_way) >= users:
            now = max(now, heapq.heappop(under_way))
        now += chance.expovariate(rate)
        end = max(now, free[0]) + chance.choice(work_s)
        heapq.heapreplace(free, end)
        spent.append(end - now)
        if users is not None:
            while under_way and under_way[0] <= now:
                heapq.heappop(under_way)
            heapq.heappush(under_way, end)
    return Latency.of(spent[_WARM_UP:])


def percentile_95(values: Sequence[float]) -> float:
    """The value that 95 of 100 do not exceed; of fewer than twenty, the largest."""
    return sorted(values)[int(0.95 * len(values))]
