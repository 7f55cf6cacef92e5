"""Classes of service at one Gateway: who goes next where more want in than may run at once.

    priority  x x x . . .     weight 8    of 13 turns while all of them wait: 8
    default   x x x x x .     weight 4                                        4
    flex      x x x x x x     weight 1                                        1

Weighted fair queueing (doi.org/10.1145/75247.75248) with one unit a request: each turn moves the
clock of its class on by 1 / weight, and the class whose clock is behind goes next. A class that was
away starts at the clock of those that wait, so it cannot save up turns, and none starves another.
Where too many wait, the newest of the lowest class has to leave. Some room may be kept for
`priority`, which else waits until a running request ends: where those are alike and began together,
that is nearly as long as one takes.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from graphs.accounts.settings import ClassSettings
from graphs.accounts.weight import LEAST
from graphs.errors import OverloadedError
from index.catalog.keys.records import ServiceClass

_ORDER: tuple[ServiceClass, ...] = ("priority", "default", "flex")  # the last is shed first


def served_class(allowed: ServiceClass, asked: ServiceClass | None) -> ServiceClass:
    """Gives the class that a request asks for, or that of its key: never a better one than that."""
    return allowed if asked is None else max(allowed, asked, key=_ORDER.index)


class Turnstile:
    """Lets so many requests run at once.

    Args:
        settings: gives those of the moment.
    """

    def __init__(self, settings: Callable[[], ClassSettings]) -> None:
        self._settings = settings
        self._waiting: dict[ServiceClass, deque[asyncio.Future[None]]] = {
            one: deque() for one in _ORDER
        }
        self._clocks: dict[ServiceClass, float] = dict.fromkeys(_ORDER, 0.0)
        self._running: Counter[ServiceClass] = Counter()

    @property
    def num_running(self) -> int:
        """Requests that are in."""
        return self._running.total()

    def weight(self, service_class: ServiceClass) -> float:
        """Gives how much more of a busy model a class gets than `flex`."""
        settings = self._settings()
        share: float = getattr(settings, service_class) / settings.flex
        return share * LEAST

    async def enter(self, service_class: ServiceClass) -> None:
        """Waits for a turn; `leave` with the same class must follow it.

        Raises:
            OverloadedError: too many wait, and none of a lower class can leave for this one.
        """
        num_waiting = sum(map(len, self._waiting.values()))
        is_next = not num_waiting or self._is_kept_for(service_class)
        if is_next and self._has_room(service_class):
            self._count_turn(service_class)
            return
        if num_waiting >= self._settings().max_waiting:
            self._shed_for(service_class)
        self._catch_up(service_class)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[service_class].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave(service_class)  # the turn came as the client left
            elif turn in self._waiting[service_class]:
                self._waiting[service_class].remove(turn)
            raise

    def leave(self, service_class: ServiceClass) -> None:
        """Makes room for whoever goes next."""
        self._running[service_class] -= 1
        self._let_in()

    @contextmanager
    def left_after(self, service_class: ServiceClass) -> Iterator[None]:
        """Leaves when the block has ended."""
        try:
            yield
        finally:
            self.leave(service_class)

    def _is_kept_for(self, service_class: ServiceClass) -> bool:
        """Whether what room there is may be kept for this class, and none of it waits."""
        return service_class == "priority" and not self._waiting[service_class]

    def _catch_up(self, service_class: ServiceClass) -> None:
        """Sets the clock of a class that was away to that of those that wait."""
        if not self._waiting[service_class]:
            others = [self._clocks[one] for one in _ORDER if self._waiting[one]]
            behind = min(others, default=max(self._clocks.values()))
            self._clocks[service_class] = max(self._clocks[service_class], behind)

    def _count_turn(self, service_class: ServiceClass) -> None:
        """Counts one that is let in; where nobody waits, it costs its class nothing."""
        if any(self._waiting.values()):
            self._catch_up(service_class)
            self._clocks[service_class] += 1 / getattr(self._settings(), service_class)
        self._running[service_class] += 1

    def _has_room(self, service_class: ServiceClass) -> bool:
        settings = self._settings()
        if settings.at_once is None:
            return True
        if self.num_running >= settings.at_once:
            return False
        num_lower = self.num_running - self._running["priority"]
        most_lower = settings.at_once - settings.kept_for_priority
        return service_class == "priority" or num_lower < most_lower

    def _let_in(self) -> None:
        while True:
            queued = [one for one in _ORDER if self._waiting[one] and self._has_room(one)]
            if not queued:
                return
            chosen = min(queued, key=lambda one: self._clocks[one])
            turn = self._waiting[chosen].popleft()
            if turn.done():  # its client has left
                continue
            self._clocks[chosen] += 1 / getattr(self._settings(), chosen)
            self._running[chosen] += 1
            turn.set_result(None)

    def _shed_for(self, service_class: ServiceClass) -> None:
        lowest = next(one for one in reversed(_ORDER) if self._waiting[one])
        most = self._settings().max_waiting
        reason = f"{most} requests wait already, the most that may; try again later"
        if _ORDER.index(lowest) <= _ORDER.index(service_class):
            raise OverloadedError(reason)
        newest = self._waiting[lowest].pop()
        if not newest.done():
            newest.set_exception(OverloadedError(reason))
