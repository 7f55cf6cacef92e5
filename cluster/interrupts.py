"""Ctrl-C and SIGTERM as one way to stop."""

import contextlib
import signal
from collections.abc import Iterator


def heed_interrupts() -> None:
    """Lets Ctrl-C reach this process and those that it starts.

    A background job of a shell ignores SIGINT, and so does all that it starts, by inheritance.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turns SIGTERM into the same orderly stop as Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    heed_interrupts()
    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
