"""Answers that went on at another replica: the last ones of this Gateway, and of all together."""

import asyncio
import itertools
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from graphs.pipeline.trace import Trace

_MAX_MOVES = 50  # that are kept, at each Gateway as of all
_ASK_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Move:
    """One move of an answer.

    Attributes:
        id: its own, among the moves at all Gateways.
        at: when the other replica took over, in seconds since 1970.
        tenant: alone is told which request it was.
        reason: the code of the error by which the replica before was lost.
        position: how many tokens that one had written.
    """

    id: str
    at: float
    tenant: str
    request_id: str
    reason: str
    position: int


class RecentMoves:
    """Remembers the last moves at this Gateway."""

    def __init__(self) -> None:
        self._gateway = uuid.uuid4().hex[:8]
        self._numbers = itertools.count()
        self._moves: deque[Move] = deque(maxlen=_MAX_MOVES)

    def add(self, trace: Trace, reason: str, position: int) -> None:
        """Takes note of an answer, at the moment when another replica has taken it over."""
        self._moves.appendleft(
            Move(
                id=f"{self._gateway}-{next(self._numbers)}", at=time.time(),
                tenant=trace.caller.tenant, request_id=trace.request_id, reason=reason,
                position=position,
            )
        )  # fmt: skip

    def latest(self) -> tuple[Move, ...]:
        """Gives them, newest first."""
        return tuple(self._moves)


class AllMoves:
    """The last moves at all Gateways; the others are asked only when somebody looks.

    What a Gateway has told stands when it does not answer any more.

    Args:
        own: those of this one.
    """

    def __init__(self, own: RecentMoves) -> None:
        self._own = own
        self._told: tuple[Move, ...] = ()

    async def ask(self) -> None:
        """Asks all Gateways for theirs; one that is slow is asked again with the next look."""
        try:
            handle = await asyncio.to_thread(_gateways)
            answers = handle.broadcast("moves").results_async(return_exceptions=True)
            told = await asyncio.wait_for(answers, _ASK_S)
        except (RayError, RayServeException, RuntimeError, TimeoutError):
            return
        self.take(itertools.chain(*(one for one in told if isinstance(one, tuple))))

    def take(self, told: Iterable[Move]) -> None:
        """Takes what Gateways have told; what was known stays, as long as there is room."""
        every = {one.id: one for one in (*self._told, *told)}.values()
        self._told = _newest(every)

    def latest(self) -> tuple[Move, ...]:
        """Gives them, newest first."""
        return _newest({one.id: one for one in (*self._told, *self._own.latest())}.values())


def _gateways() -> DeploymentHandle:
    """Gives the handle of this deployment, which Serve keeps; at first it asks the controller."""
    context = serve.get_replica_context()
    return serve.get_deployment_handle(context.deployment, context.app_name)


def _newest(moves: Iterable[Move]) -> tuple[Move, ...]:
    return tuple(sorted(moves, key=lambda one: one.at, reverse=True)[:_MAX_MOVES])
