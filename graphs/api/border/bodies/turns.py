"""Large bodies are parsed one after the other, with time for everybody else in between."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

_LARGE_BYTES = 2**16  # that take a millisecond or two at most
_Parsed = TypeVar("_Parsed")


class BodyTurns:
    """Lets parsers of large bodies have at most half of an event loop's time.

    A megabyte of JSON takes a parser up to 15 ms, in which it gives the loop to nobody, in another
    thread as little as here: it keeps Python's lock. Many of them at once were a long pause for all
    other requests.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def read(self, body: bytes, parse: Callable[[bytes], _Parsed]) -> _Parsed:
        """Parses a body, a large one when its turn has come.

        Raises:
            Exception: what `parse` raises.
        """
        if len(body) < _LARGE_BYTES:
            return parse(body)
        async with self._turn:
            began = time.perf_counter()
            try:
                return parse(body)
            finally:
                await asyncio.sleep(time.perf_counter() - began)
