"""Tells a replica that its node goes away. The one place here that asks Ray's private state."""

import asyncio
import logging
import time
from collections.abc import Callable

import ray

logger = logging.getLogger(__name__)

# Before the node's deadline: time for the last streams to go on elsewhere.
_HAND_OVER_S = 3.0


def drain_deadline() -> float | None:
    """Gives the time (seconds since 1970) at which this node goes away; None: it stays.

    `get_draining_nodes` is not public; Serve's controller reads the same (Ray 2.60).
    """
    from ray._private.state import state

    deadline_ms = state.get_draining_nodes().get(ray.get_runtime_context().get_node_id())
    return deadline_ms / 1000 if deadline_ms else None


class DrainWatch:
    """Looks once a second whether the node is being drained.

    Attributes:
        is_over: whether streams must be handed over now.
    """

    def __init__(
        self, read_deadline: Callable[[], float | None] = drain_deadline, *, period_s: float = 1.0
    ) -> None:
        self._read_deadline = read_deadline
        self._period_s = period_s
        self.is_over = False

    async def run(self) -> None:
        """Watches until it is over."""
        while not self.is_over:
            await asyncio.sleep(self._period_s)
            deadline = await asyncio.to_thread(self._read_deadline)
            if deadline is not None and time.time() >= deadline - _HAND_OVER_S:
                logger.warning("the node goes away: streams are handed over")
                self.is_over = True
