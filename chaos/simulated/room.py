"""The slots and the KV cache of a simulated generator: who finds no room waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """So many streams at once, and so many tokens of all together.

    Args:
        slots: streams that decode at once.
        cache_tokens: of their prompts and answers together; a stream takes its most at its start,
            and one that needs more than all runs alone.
    """

    def __init__(self, slots: int, cache_tokens: int) -> None:
        self.cache_tokens = cache_tokens
        self._slots = slots
        self._num_running = self._num_held = self._num_waiting = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, num_tokens: int) -> AsyncIterator[None]:
        """Waits for room for a stream, and frees it afterwards."""
        held = min(num_tokens, self.cache_tokens)
        async with self._changed:
            self._num_waiting += num_tokens
            try:
                await self._changed.wait_for(lambda: self._has(held))
            finally:
                self._num_waiting -= num_tokens
            self._num_running += 1
            self._num_held += held
        try:
            yield
        finally:
            async with self._changed:
                self._num_running -= 1
                self._num_held -= held
                self._changed.notify_all()

    def _has(self, num_tokens: int) -> bool:
        free = self.cache_tokens - self._num_held
        return self._num_running < self._slots and num_tokens <= free

    def load(self) -> dict[str, float]:
        """Tells what `deployments.scaling` reads."""
        return {
            "tokens": float(self._num_held + self._num_waiting),
            "cache_use": self._num_held / self.cache_tokens,
        }
