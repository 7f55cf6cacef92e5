"""Open-loop load: requests leave at their times, whatever becomes of the ones before."""

import asyncio
import json
import random
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import httpx

_WORDS = ("port", "file", "node", "store", "answer", "question", "model", "cache", "queue")
_RECONNECT_WAIT_S = 0.2
_MAX_RETURNS = 50


@dataclass(frozen=True, kw_only=True)
class ChatCall:
    """One request to come.

    Attributes:
        key: tells it from the others of its run; the same in a run repeated with the same seed.
        at_s: when it leaves, in seconds from the start of the load.
        reconnects: whether the client comes back with `Last-Event-ID` when the stream breaks.
        deadline_s: sent as `x-request-deadline-ms`; None: not sent.
    """

    key: str
    at_s: float
    body: Mapping[str, Any]
    reconnects: bool = False
    deadline_s: float | None = None


@dataclass(kw_only=True)
class Outcome:
    """What the client saw of one request.

    Attributes:
        pieces: (seconds from the start of the load, text) of every piece of the answer.
        finish_reason: None when the answer did not end.
        num_tokens: `usage.completion_tokens`; None when no usage came.
        num_sources: passages that the answer was written from.
        errors: `error` events, refusals and broken connections, in their order.
        num_reconnects: how often the client came back.
    """

    key: str
    sent_s: float
    ended_s: float = 0.0
    status: int = 0
    retry_after: str | None = None
    pieces: list[tuple[float, str]] = field(default_factory=list)
    finish_reason: str | None = None
    num_tokens: int | None = None
    num_sources: int = 0
    degraded: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    num_reconnects: int = 0
    last_event_id: str | None = None
    is_done: bool = False

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(text for _, text in self.pieces)

    @property
    def succeeded(self) -> bool:
        """Whether the answer came, whole, with nothing but what belongs to it."""
        return self.failure is None

    @property
    def failure(self) -> str | None:
        """The reason why it failed, as far as a reason was given."""
        if self.is_done and self.finish_reason is not None:
            return None
        return self.errors[-1] if self.errors else "the stream ended without [DONE]"

    @property
    def rejected(self) -> bool:
        """Whether it was refused for lack of room, which a client may repeat later."""
        return not self.is_done and self.status in (429, 503)

    @property
    def longest_stall_s(self) -> float:
        """The longest wait between two pieces of the answer; 0 with fewer than two."""
        times = [at_s for at_s, _ in self.pieces]
        return max((b - a for a, b in pairwise(times)), default=0.0)


def chat_calls(
    *, seed: int, count: int, rate: float, max_tokens: int, model: str = "generator"
) -> list[ChatCall]:
    """Makes the requests of a run: greedy and seeded in turn, leaving at Poisson times.

    Args:
        seed: the same one gives the same requests at the same times.
        count: how many.
        rate: requests a second, on average.
        max_tokens: length of each answer.
        model: `generator` for the bare generator, `rag` for the whole graph.
    """
    chance = random.Random(seed)
    calls, at_s = [], 0.0
    for index in range(count):
        question = " ".join(chance.choices(_WORDS, k=5))
        body = {
            "model": model,
            "messages": [{"role": "user", "content": f"Case {seed}-{index}: {question}?"}],
            "max_tokens": max_tokens,
            "temperature": index % 2,
            "seed": chance.getrandbits(31),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        calls.append(ChatCall(key=f"{model}-{seed}-{index}", at_s=at_s, body=body))
        at_s += chance.expovariate(rate)
    return calls


def reconnecting(calls: Sequence[ChatCall]) -> list[ChatCall]:
    """Gives the same requests with clients that come back."""
    return [replace(call, reconnects=True) for call in calls]


def within(calls: Sequence[ChatCall], deadline_s: float) -> list[ChatCall]:
    """Gives the same requests with a deadline each."""
    return [replace(call, deadline_s=deadline_s) for call in calls]


class Load:
    """Sends requests to a system and records what its clients see."""

    def __init__(self, url: str, *, timeout_s: float = 120.0) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._timeout_s = timeout_s
        self._started = time.monotonic()
        self.outcomes: dict[str, Outcome] = {}

    @property
    def now_s(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._started

    @property
    def num_running(self) -> int:
        """Requests that were sent and have not ended."""
        return sum(outcome.ended_s == 0 for outcome in self.outcomes.values())

    async def run(
        self, calls: Sequence[ChatCall], on_end: Callable[[], object] = lambda: None
    ) -> list[Outcome]:
        """Sends every request at its time and waits for all ends; `on_end` counts them."""
        self._started = time.monotonic()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
        async with (
            httpx.AsyncClient(timeout=self._timeout_s, limits=limits) as client,
            asyncio.TaskGroup() as group,
        ):
            for call in calls:
                await asyncio.sleep(max(call.at_s - self.now_s, 0))
                task = group.create_task(self._send(client, call))
                task.add_done_callback(lambda _: on_end())
        return [self.outcomes[call.key] for call in calls]

    async def _send(self, client: httpx.AsyncClient, call: ChatCall) -> None:
        outcome = self.outcomes[call.key] = Outcome(key=call.key, sent_s=self.now_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    await self._attempt(client, call, outcome)
                    may_return = call.reconnects and not 400 <= outcome.status < 500
                    if outcome.is_done or not may_return or outcome.num_reconnects == _MAX_RETURNS:
                        return
                    outcome.num_reconnects += 1
                    await asyncio.sleep(_RECONNECT_WAIT_S)
        except TimeoutError:
            outcome.errors.append(f"no end within {self._timeout_s} s")
        finally:
            outcome.ended_s = self.now_s

    async def _attempt(self, client: httpx.AsyncClient, call: ChatCall, outcome: Outcome) -> None:
        try:
            request = client.stream(
                "POST", self._url, json=dict(call.body), headers=_headers(call, outcome)
            )
            async with request as reply:
                outcome.status = reply.status_code
                if reply.status_code != httpx.codes.OK:
                    outcome.retry_after = reply.headers.get("retry-after")
                    body = (await reply.aread()).decode(errors="replace")
                    outcome.errors.append(f"status {reply.status_code}: {body[:300]}")
                    return
                async for line in reply.aiter_lines():
                    self._take(line, outcome)
        except httpx.HTTPError as err:
            outcome.errors.append(f"connection: {err!r}")

    def _take(self, line: str, outcome: Outcome) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            outcome.last_event_id = value
        elif name == "data" and value == "[DONE]":
            outcome.is_done = True
        elif name == "data":
            self._take_chunk(json.loads(value), outcome)

    def _take_chunk(self, chunk: Mapping[str, Any], outcome: Outcome) -> None:
        if "error" in chunk:
            outcome.errors.append(f"error event: {json.dumps(chunk['error'])[:300]}")
            return
        if chunk.get("usage"):
            outcome.num_tokens = chunk["usage"]["completion_tokens"]
        outcome.degraded += chunk.get("degraded") or []
        for choice in chunk["choices"]:
            outcome.finish_reason = choice["finish_reason"] or outcome.finish_reason
            if choice["delta"].get("context"):
                outcome.num_sources = len(choice["delta"]["context"]["citations"])
            if choice["delta"].get("content"):
                outcome.pieces.append((self.now_s, choice["delta"]["content"]))


def _headers(call: ChatCall, outcome: Outcome) -> dict[str, str]:
    # The runs of several scenarios share a seed, and a key belongs to one body.
    digest = zlib.crc32(json.dumps(call.body, sort_keys=True).encode())
    headers = {"idempotency-key": f"{call.key}-{digest:08x}", "x-request-id": call.key}
    if outcome.last_event_id is not None:
        headers["last-event-id"] = outcome.last_event_id
    if call.deadline_s is not None:
        headers["x-request-deadline-ms"] = str(round(1000 * call.deadline_s))
    return headers
