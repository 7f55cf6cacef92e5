"""How much of a busy model a request gets beside others: set once where it gets its turn.

A context variable carries it, as it does the deadline (graphs/deadline.py): every task of the
request sees it, and no signature between the border and a deployment has to pass it on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# What the class `flex` has, and what nobody waits for: documents that are loaded, lines of batches,
# responses in the background.
LEAST = 1.0

_weight: ContextVar[float] = ContextVar("weight", default=LEAST)


@contextmanager
def weighing(weight: float) -> Iterator[None]:
    """Gives the calls of models that run inside this weight; above 0."""
    token = _weight.set(weight)
    try:
        yield
    finally:
        _weight.reset(token)


def weight() -> float:
    """Gives the weight of the current request."""
    return _weight.get()
