"""Lets calls share one model: batches of some items each, and the calls take turns.

    call A, long     A A A A A A A A . .       batch 1   A A A A
    call B, long       B B B B B B . .         batch 2   A A B B
    call C, short          C                   batch 3   C           C came while batch 2 ran
    health check               !               batch 4   !
                                               batch 5   A A B B

Short calls go first, and those of them with least left to do: so most of them are answered soonest,
while calls that took turns would all end as late as the last. None is in a batch with items of long
calls, which would take as long again. Long calls share what is left; the oldest call has a batch
now and then, so that short ones that never end do not starve it. Calls of several weights, as
classes of service have, get shares of the model as their weights are; all of that goes for the
calls of one weight, and a short call of any goes before long ones. A short call that would wait too
long for those that are here is refused at once, and so is one that has: shorter ones came after it,
or the model is slower than it was.

Serve's own `@serve.batch` closes batches on a timer while the last one still runs, so at its
default wait it collapses under load (github.com/ray-project/ray, PR 53096 and after); and it never
cuts a call.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Generic

from deployments.batching.call import Call, Item, Rank, Result, age, need
from deployments.batching.flows import Flows
from models.errors import ModelBusyError

_SHORT_BATCHES = 8  # a call that needs more than so many full batches is a long one
_NEWEST = 0.2  # weight of a batch in the average pace
_OLDEST_EVERY = 8  # batches; one of so many is the oldest call's


@dataclass(frozen=True, kw_only=True)
class Workload:
    """How much a model has to do.

    Attributes:
        queued_s: seconds that what waits will take, at the pace of the last full batches.
        busy: share of the time since this was asked last in which it worked.
    """

    queued_s: float
    busy: float


class Batcher(Generic[Item, Result]):
    """Runs `run(items) -> results` on one thread, with items of many callers at a time.

    Results keep the order of the items. An error reaches only the callers whose items raise it.
    What nobody waits for any more is left out of the next batch.

    Args:
        run: gives one result an item, in the same order.
        cost: of an item, at least 1; for a model, about its number of tokens.
        max_cost: of a batch, unless one item alone costs more. It is what a short call waits for.
        max_wait_s: a short call is refused when those before it are likely to take longer, or have.
        observe: is told of each batch: its items, the calls that wait beside it, its seconds.
        clock: seconds from any start.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        cost: Callable[[Item], int],
        max_cost: int,
        max_wait_s: float = inf,
        observe: Callable[[int, int, float], None] = lambda *_: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._run = run
        self._cost = cost
        self._observe = observe
        self._clock = clock
        self._max_cost = max_cost
        self._short_cost = _SHORT_BATCHES * max_cost
        self._max_wait_s = max_wait_s
        self._numbers = count()
        self._moments = count(1)
        self._flows = Flows()
        self._num_batches = 0
        self._calls: list[Call[Item, Result]] = []  # the oldest first
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._drain: asyncio.Task[None] | None = None
        self._s_per_cost = 0.0
        self._busy_s = 0.0
        self._began: float | None = None
        self._asked_at = clock()

    def workload(self) -> Workload:
        """Tells how much there is to do; checks of health are not counted as waiting."""
        now = self._clock()
        running_s = now - max(self._began, self._asked_at) if self._began is not None else 0.0
        elapsed_s, self._asked_at = now - self._asked_at, now
        busy_s, self._busy_s = self._busy_s + running_s, 0.0
        left = sum(call.cost_left for call in self._calls if call.waits and not call.is_urgent)
        return Workload(
            queued_s=left * self._s_per_cost,
            busy=min(busy_s / elapsed_s, 1.0) if elapsed_s > 0 else 0.0,
        )

    async def submit(
        self, items: Sequence[Item], *, urgent: bool = False, weight: float = 1.0
    ) -> Sequence[Result]:
        """Waits for the results of these items.

        Args:
            items: of the call; they may be in several batches.
            urgent: whether they are in the next batch.
            weight: above 0; where calls of several weights wait, each weight has its share.

        Raises:
            ModelBusyError: they would wait longer than they may.
        """
        if not items:
            return []
        costs = [self._cost(item) for item in items]
        call = Call[Item, Result](
            number=next(self._numbers),
            items=items,
            costs=costs,
            cost_left=sum(costs),
            weight=inf if urgent else weight,
            is_urgent=urgent,
            is_long=sum(costs) > self._short_cost,
            came_at=self._clock(),
            answer=asyncio.get_running_loop().create_future(),
        )
        if not (call.is_urgent or call.is_long):
            self._check_wait(sum(costs), weight)
        self._flows.join(call.weight, self._waiting_weights())
        self._calls.append(call)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._run_waiting())
        return await call.answer

    def _waiting_weights(self) -> set[float]:
        return {call.weight for call in self._calls if call.waits and not call.is_urgent}

    def _check_wait(self, cost: int, weight: float) -> None:
        """Refuses a short call that comes too late to be answered in time; long ones can wait.

        Before it are those of its weight with no more left than it costs (`need`), and of each
        other weight what that one is given until then.
        """
        left: dict[float, list[int]] = {}
        for call in self._calls:
            if call.waits and not call.is_long:
                left.setdefault(call.weight, []).append(call.cost_left)
        ahead = float(sum(one for one in left.pop(weight, ()) if one <= cost))
        own = ahead + cost
        ahead += sum(min(sum(all_), own * other / weight) for other, all_ in left.items())
        wait_s = ahead * self._s_per_cost
        if wait_s > self._max_wait_s:
            raise self._too_long(f"would wait {wait_s:.2g} s")

    def _too_long(self, wait: str) -> ModelBusyError:
        return ModelBusyError(f"a call may wait {self._max_wait_s:g} s, but this one {wait}")

    def _refuse_late(self) -> None:
        """Refuses the short calls that have waited too long for their first batch."""
        now = self._clock()
        for call in self._calls:
            waited_s = now - call.came_at
            is_fixed = call.is_urgent or call.is_long or call.num_taken > 0
            if not is_fixed and waited_s > self._max_wait_s:
                call.fail(self._too_long(f"has waited {waited_s:.2g} s"))

    async def _run_waiting(self) -> None:
        while self._calls:
            batch = self._next_batch()
            if batch:
                await self._run_batch(batch)
            self._refuse_late()
            self._calls = [call for call in self._calls if call.waits]
        self._flows.clear()

    def _next_batch(self) -> "_Batch[Item, Result]":
        """Takes items, one at a time, each of the call whose turn it is."""
        self._num_batches += 1
        rank = age if self._num_batches % _OLDEST_EVERY == 0 else need
        queues: dict[float, list[tuple[Rank, int, Call[Item, Result]]]] = {}
        for call in self._calls:
            if call.waits:
                queues.setdefault(call.weight, []).append((rank(call), call.number, call))
        for queue in queues.values():
            heapify(queue)
        batch: _Batch[Item, Result] = {}
        room, is_long = self._max_cost, False
        while queues:
            weight = min(queues, key=lambda one: (queues[one][0][0].kind, self._flows.clock(one)))
            _, number, call = heappop(queues[weight])
            cost = call.costs[call.num_taken]
            room -= cost
            if batch and (room < 0 or call.is_long != is_long):
                break
            is_long = call.is_long
            batch.setdefault(call, []).append(call.take(next(self._moments)))
            self._flows.count(weight, cost)
            if call.waits:
                heappush(queues[weight], (rank(call), number, call))
            elif not queues[weight]:
                del queues[weight]
        return batch

    async def _run_batch(self, batch: "_Batch[Item, Result]") -> None:
        error = await self._try(batch)
        if error is None:
            return
        for call, items in batch.items():  # one of them raised it: each alone tells which
            alone = error if len(batch) == 1 else await self._try({call: items})
            if alone is not None:
                call.fail(alone)

    async def _try(self, batch: "_Batch[Item, Result]") -> Exception | None:
        items = [item for some in batch.values() for item in some]
        loop = asyncio.get_running_loop()
        began = self._began = self._clock()
        try:
            results = await loop.run_in_executor(self._thread, self._run, items)
            assert len(results) == len(items), "a model gives one result an item"
        except Exception as err:  # whatever the model raises is the callers' to see
            return err
        finally:
            ended, self._began = self._clock(), None
            self._busy_s += ended - max(began, self._asked_at)
        self._pace(batch, ended - began)
        num_waiting = sum(call.waits for call in self._calls)
        self._observe(len(items), num_waiting, ended - began)
        start = 0
        for call, some in batch.items():
            call.add(results[start : start + len(some)])
            start += len(some)
        return None

    def _pace(self, batch: "_Batch[Item, Result]", duration_s: float) -> None:
        """Takes a batch into the moving average of the seconds of one unit of cost.

        One less than half full is left out: what a batch costs beside its items would count as
        theirs. On a GPU a check of health takes hundreds of times as long for a token as a full
        batch; and what has to wait is in full ones.
        """
        cost = sum(
            sum(call.costs[call.num_taken - len(some) : call.num_taken])
            for call, some in batch.items()
        )
        if 2 * cost < self._max_cost:
            return
        now = duration_s / cost
        weight = _NEWEST if self._s_per_cost else 1.0
        self._s_per_cost += weight * (now - self._s_per_cost)


_Batch = dict[Call[Item, Result], list[Item]]
