"""Who fails again and again has to wait: addresses that guess keys, keys whose answers are refused.

Of one Gateway and in its memory: a guard against load, not the lock of the door.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_MINUTE_S = 60.0
_MOST = 10_000  # names; the ones that failed longest ago are forgotten


@dataclass
class _Failing:
    level: float = 0.0
    at: float = 0.0
    waits_until: float = 0.0


class Failures:
    """Counts failures by name, each fading within minutes.

    Args:
        per_min: how many are let pass in a minute; None: all.
        longest_wait_s: the wait doubles with every failure beyond that, up to this.
    """

    def __init__(
        self,
        per_min: Callable[[], int | None],
        longest_wait_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_min = per_min
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._failing: OrderedDict[str, _Failing] = OrderedDict()

    def count(self, name: str) -> None:
        """Notes a failure."""
        most = self._per_min()
        if most is None:
            return
        now = self._clock()
        failing = self._failing.setdefault(name, _Failing())
        self._failing.move_to_end(name)
        failing.level = 1 + failing.level * 0.5 ** ((now - failing.at) / _MINUTE_S)
        failing.at = now
        beyond = failing.level - most
        if beyond > 0:
            wait_s = min(self._longest_wait_s(), 2.0 ** min(beyond, 30))
            failing.waits_until = now + wait_s
        if len(self._failing) > _MOST:
            self._failing.popitem(last=False)

    def wait_s(self, name: str) -> float:
        """The seconds that this one has to wait; 0: none."""
        failing = self._failing.get(name)
        if failing is None or self._per_min() is None:
            return 0.0
        return max(0.0, failing.waits_until - self._clock())
