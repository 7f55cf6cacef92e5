"""Merges calls that wait while the model is busy: a batch forms when the model is free.

Serve's own `@serve.batch` closes batches on a timer while the last one still runs, so at its
default wait it collapses under load (github.com/ray-project/ray, PR 53096 and after).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class _Call(Generic[Item, Result]):
    items: Sequence[Item]
    results: "asyncio.Future[Sequence[Result]]"


class Batcher(Generic[Item, Result]):
    """Runs `run(items) -> results` on one thread, many callers' items at a time.

    Results keep the order of the items. An error reaches only the caller whose items raise it.
    """

    def __init__(
        self, run: Callable[[Sequence[Item]], Sequence[Result]], *, max_items: int
    ) -> None:
        self._run = run
        self._max_items = max_items
        self._waiting: deque[_Call[Item, Result]] = deque()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._drain: asyncio.Task[None] | None = None

    async def submit(self, items: Sequence[Item]) -> Sequence[Result]:
        """Waits for the results of these items; one call is never split over batches."""
        call = _Call[Item, Result](items=items, results=asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._run_waiting())
        return await call.results

    async def _run_waiting(self) -> None:
        while self._waiting:
            calls = self._next_batch()
            error = await self._run_calls(calls)
            if error is None:
                continue
            for call in calls if len(calls) > 1 else ():
                await self._run_calls([call])
            for call in calls:
                if not call.results.done():
                    call.results.set_exception(error)

    def _next_batch(self) -> list[_Call[Item, Result]]:
        calls: list[_Call[Item, Result]] = []
        num_items = 0
        while self._waiting:
            if calls and num_items + len(self._waiting[0].items) > self._max_items:
                break
            call = self._waiting.popleft()
            if call.results.done():  # its caller has gone
                continue
            calls.append(call)
            num_items += len(call.items)
        return calls

    async def _run_calls(self, calls: list[_Call[Item, Result]]) -> Exception | None:
        items = [item for call in calls for item in call.items]
        if not items:
            return None
        loop = asyncio.get_running_loop()
        try:
            results = await loop.run_in_executor(self._thread, self._run, items)
        except Exception as err:  # whatever the model raises is the callers' to see
            if len(calls) == 1 and not calls[0].results.done():
                calls[0].results.set_exception(err)
            return err
        start = 0
        for call in calls:
            if not call.results.done():
                call.results.set_result(results[start : start + len(call.items)])
            start += len(call.items)
        return None
