"""Answers that went on at another replica."""

import itertools
import time
import uuid
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from graphs.pipeline.trace import Trace

_MAX_MOVES = 50  # that are kept, at each Gateway as of all


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


def newest_moves(moves: Iterable[Move]) -> tuple[Move, ...]:
    """Gives the newest ones, each once, newest first."""
    every = {one.id: one for one in moves}.values()
    return tuple(sorted(every, key=lambda one: one.at, reverse=True)[:_MAX_MOVES])
