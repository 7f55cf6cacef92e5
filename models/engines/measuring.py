"""What the streams of an engine get, counted and timed alike for every engine.

Autoscaling and dashboards read it: how much waits, how fast tokens come.
"""

import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from models.generation import EngineRequest, EngineStats, EngineStep

_MOST_TIMES = 10_000  # between two readings; older ones are forgotten


@dataclass(frozen=True, kw_only=True)
class Activity:
    """How busy an engine is, and what it has done since the last reading.

    Attributes:
        engine: how full it is now; its sums count since it was loaded.
        num_running_tokens: tokens of prompts and answers of the streams that have begun.
        num_waiting_tokens: tokens of the prompts whose first token has not come.
        num_prompt_tokens: tokens of the prompts whose first token came.
        num_tokens: tokens written.
        first_token_s: from the question to the engine until its first token, of each stream.
        token_s: time of a token after the first one, of each step.
    """

    engine: EngineStats
    num_running_tokens: int
    num_waiting_tokens: int
    num_prompt_tokens: int
    num_tokens: int
    first_token_s: tuple[float, ...]
    token_s: tuple[float, ...]


class Measuring:
    """Counts and times the streams of one engine."""

    def __init__(self) -> None:
        self._num_running = self._num_waiting = 0
        self._num_prompt = self._num_written = 0
        self._first_s: deque[float] = deque(maxlen=_MOST_TIMES)
        self._token_s: deque[float] = deque(maxlen=_MOST_TIMES)

    async def measured(
        self, request: EngineRequest, steps: AsyncGenerator[EngineStep, None]
    ) -> AsyncGenerator[EngineStep, None]:
        """Passes the steps of a request on."""
        num_waiting, num_running = len(request.prompt_ids), 0
        self._num_waiting += num_waiting
        since = time.monotonic()
        try:
            async with aclosing(steps):
                async for step in steps:
                    now, num_new = time.monotonic(), len(step.token_ids)
                    if num_waiting:
                        self._first_s.append(now - since)
                        self._num_prompt += num_waiting
                        self._num_waiting -= num_waiting
                        num_new += num_waiting
                        num_waiting = 0
                    elif num_new:
                        self._token_s.append((now - since) / num_new)
                    since = now
                    self._num_written += len(step.token_ids)
                    self._num_running += num_new
                    num_running += num_new
                    yield step
        finally:
            self._num_waiting -= num_waiting
            self._num_running -= num_running

    @property
    def num_tokens(self) -> int:
        """Tokens of all streams now: of those that have begun, and of the prompts that wait."""
        return self._num_running + self._num_waiting

    def take(self, engine: EngineStats) -> Activity:
        """Gives what came since the last reading, which is then forgotten."""
        taken = Activity(
            engine=engine,
            num_running_tokens=self._num_running,
            num_waiting_tokens=self._num_waiting,
            num_prompt_tokens=self._num_prompt,
            num_tokens=self._num_written,
            first_token_s=tuple(self._first_s),
            token_s=tuple(self._token_s),
        )
        self._num_prompt = self._num_written = 0
        self._first_s.clear()
        self._token_s.clear()
        return taken
