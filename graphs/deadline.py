"""How much time a request has left: set once at the HTTP border, read wherever time is spent.

A context variable carries it, as gRPC's deadlines are carried: every task of the request sees it,
and no signature between the border and a deployment has to pass it on.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from graphs.errors import DeadlineError

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline_in(time_s: float | None) -> Iterator[None]:
    """Gives what runs inside so many seconds; None: no limit."""
    token = _deadline.set(None if time_s is None else time.monotonic() + time_s)
    try:
        yield
    finally:
        _deadline.reset(token)


def time_left_s() -> float:
    """Gives the seconds until the deadline of the current request; infinite without one."""
    deadline = _deadline.get()
    return float("inf") if deadline is None else deadline - time.monotonic()


def allowed_s(wanted_s: float) -> float:
    """Cuts a timeout to the time that is left.

    Raises:
        DeadlineError: none is left.
    """
    left_s = time_left_s()
    if left_s <= 0:
        msg = "the deadline of the request has passed"
        raise DeadlineError(msg)
    return min(wanted_s, left_s)
