"""Load on an HTTP server: clients that wait for their reply, or requests that leave at their times.

closed loop   client 1  [----][------][---]        each asks again once it is answered
              client 2  [-----][---][-----]
open loop     requests  [----]                     they leave at the rate that was asked for,
                          [--------]               whatever becomes of the ones before
                            [-----]
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

_REFUSED = frozenset({429, 503})


@dataclass(frozen=True, kw_only=True)
class Call:
    """A POST to come; `path` begins with a slash."""

    path: str
    body: Mapping[str, Any]


Calls = Callable[[int], Call]  # the number of a request -> what it asks


@dataclass(frozen=True, kw_only=True)
class LoadResult:
    """What the clients saw in the measured time.

    Attributes:
        seconds: that were measured.
        latencies_ms: of the answers with status 200 that ended in them.
        refusals_ms: of 429 and 503.
        failures: what else became of requests, by status or kind of error.
    """

    seconds: float
    latencies_ms: list[float] = field(default_factory=list)
    refusals_ms: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return len(self.latencies_ms) / self.seconds

    def latency_ms(self, share: float) -> float:
        """The latency that this share of the answers did not exceed; NaN without any."""
        ordered = sorted(self.latencies_ms)
        if not ordered:
            return float("nan")
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


class _Client:
    """Sends calls and notes what becomes of those that end in the measured time."""

    def __init__(self, base_url: str, calls: Calls, *, timeout_s: float) -> None:
        self._base_url = base_url
        self._calls = calls
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._numbers = count()
        self.result: LoadResult | None = None

    def session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            self._base_url, timeout=self._timeout, connector=aiohttp.TCPConnector(limit=0)
        )

    async def send(self, session: aiohttp.ClientSession) -> None:
        call = self._calls(next(self._numbers))
        began = time.perf_counter()
        try:
            async with session.post(call.path, json=call.body) as reply:
                await reply.read()
                what = str(reply.status)
        except TimeoutError:
            what = "timeout"
        except aiohttp.ClientError as err:
            what = type(err).__name__
        if self.result is not None:
            self._note(self.result, what, (time.perf_counter() - began) * 1000)

    @staticmethod
    def _note(result: LoadResult, what: str, took_ms: float) -> None:
        if what == "200":
            result.latencies_ms.append(took_ms)
        elif what.isdecimal() and int(what) in _REFUSED:
            result.refusals_ms.append(took_ms)
        else:
            result.failures[what] += 1


async def closed_loop(  # noqa: PLR0913 - a load has so many knobs
    base_url: str,
    calls: Calls,
    *,
    clients: int,
    warm_s: float,
    seconds: float,
    timeout_s: float = 60.0,
    on_measured: Callable[[], None] = lambda: None,
) -> LoadResult:
    """Lets so many clients ask one question after another.

    Args:
        base_url: of the server.
        calls: what the request of a number asks.
        clients: how many wait for an answer at any time.
        warm_s: seconds before any answer counts.
        seconds: for which answers count.
        timeout_s: after which a client gives up.
        on_measured: called as the measured time begins and as it ends.

    Returns:
        What ended in the measured time.
    """
    client = _Client(base_url, calls, timeout_s=timeout_s)

    async def ask() -> None:
        while True:
            await client.send(session)

    async with client.session() as session:
        asking = [asyncio.create_task(ask()) for _ in range(clients)]
        result = await _measured(client, warm_s, seconds, on_measured)
        await _ended(asking)
    return result


async def open_loop(  # noqa: PLR0913 - as above
    base_url: str,
    calls: Calls,
    *,
    per_s: float,
    warm_s: float,
    seconds: float,
    timeout_s: float = 60.0,
    seed: int = 0,
    on_measured: Callable[[], None] = lambda: None,
) -> LoadResult:
    """Sends requests at random times (a Poisson process) whose mean rate is `per_s`.

    What is under way when the measured time ends counts neither as an answer nor as a failure.
    """
    client = _Client(base_url, calls, timeout_s=timeout_s)
    under_way: set[asyncio.Task[None]] = set()

    async def arrive() -> None:
        began = time.perf_counter()
        for at_s in _arrivals(per_s, seed):
            await asyncio.sleep(began + at_s - time.perf_counter())
            task = asyncio.create_task(client.send(session))
            under_way.add(task)
            task.add_done_callback(under_way.discard)

    async with client.session() as session:
        arriving = asyncio.create_task(arrive())
        result = await _measured(client, warm_s, seconds, on_measured)
        await _ended([arriving])
        await _ended(list(under_way))
    return result


def _arrivals(per_s: float, seed: int) -> Iterator[float]:
    draw, at_s = random.Random(seed), 0.0
    while True:
        at_s += draw.expovariate(per_s)
        yield at_s


async def _measured(
    client: _Client, warm_s: float, seconds: float, on_measured: Callable[[], None]
) -> LoadResult:
    await asyncio.sleep(warm_s)
    on_measured()
    began = time.perf_counter()
    seen = client.result = LoadResult(seconds=seconds)
    await asyncio.sleep(seconds)
    client.result = None
    took_s = time.perf_counter() - began
    on_measured()
    return LoadResult(
        seconds=took_s,
        latencies_ms=seen.latencies_ms,
        refusals_ms=seen.refusals_ms,
        failures=seen.failures,
    )


async def _ended(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
