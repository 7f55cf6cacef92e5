"""The load of `make bench`: what it sends, and what it counts of what came back."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from contextlib import nullcontext
from itertools import takewhile

import pytest
from aiohttp import web
from rich.console import Console

from benchmarks.speed import __main__ as speed
from benchmarks.speed import calls
from benchmarks.speed.cpu import CpuMeter
from benchmarks.speed.load import _arrivals, closed_loop, open_loop


class Server:
    """Answers with the statuses that it was given, in turn; notes what it was asked.

    No request is answered before so many are `held`.
    """

    def __init__(self, *statuses, held=0):
        self._held, self._is_free = held, asyncio.Event()
        self.bodies = []
        self.most_at_once = 0
        self._statuses = statuses
        self._num_at_once = 0

    async def answer(self, request):
        self._num_at_once += 1
        self.most_at_once = max(self.most_at_once, self._num_at_once)
        self.bodies.append(await request.json())
        if self._num_at_once >= self._held:
            self._is_free.set()
        await self._is_free.wait()
        await asyncio.sleep(0.005)
        self._num_at_once -= 1
        return web.Response(status=self._statuses[len(self.bodies) % len(self._statuses)])

    async def __aenter__(self):
        app = web.Application()
        app.router.add_post("/v1/embeddings", self.answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()


async def test_a_closed_loop_has_so_many_requests_under_way_and_tells_answers_from_refusals():
    async with Server(200, 503, 429, 500) as server:
        seen = await closed_loop(
            server.url, calls.embeddings("embedder"), clients=3, warm_s=0.05, seconds=0.4
        )
    assert server.most_at_once == 3
    assert seen.per_s == pytest.approx(len(seen.latencies_ms) / seen.seconds)
    assert len(seen.refusals_ms) > len(seen.latencies_ms) > 0
    assert seen.failures.keys() == {"500"}
    assert 5 <= seen.latency_ms(0.5) <= seen.latency_ms(0.99)
    total = len(seen.latencies_ms) + len(seen.refusals_ms) + seen.failures.total()
    assert total < len(server.bodies)  # what came while it warmed up does not count


def test_the_requests_of_an_open_loop_are_due_at_its_rate():
    due = sum(1 for _ in takewhile(lambda at_s: at_s < 10, _arrivals(300, seed=0)))
    assert 2700 <= due <= 3300


async def test_an_open_loop_sends_whatever_becomes_of_its_requests():
    async with Server(200, held=50) as server:
        await open_loop(server.url, calls.embeddings("embedder"), per_s=300, warm_s=0.1, seconds=3)
    assert server.most_at_once >= 50


def test_no_two_requests_share_a_text_and_each_is_the_same_again():
    call = calls.embeddings("embedder", texts=4)
    bodies = [call(number).body for number in range(200)]
    bodies += [calls.later(call, 1)(number).body for number in range(200)]
    assert max(Counter(text for body in bodies for text in body["input"]).values()) == 1
    assert json.dumps(bodies[7]) == json.dumps(call(7).body)
    lengths = [len(text.split()) - 1 for body in bodies for text in body["input"]]
    assert min(lengths) == 8
    assert max(lengths) == 64


def test_no_round_asks_what_one_before_has_asked(monkeypatch):
    system = speed.System(name="one", url="", pid=0, kinds=("rerank",))
    asked = []

    def under_load(_system, case, _seconds):
        asked.extend(json.dumps(case.calls(number).body) for number in range(3))
        return speed.Figures(per_s=1, p50_ms=1, p99_ms=1, cpu_ms=1, refused=0, failed=0)

    monkeypatch.setattr(speed, "_under_load", under_load)
    for name in ("ragfleet", "plain"):
        monkeypatch.setattr(speed, name, lambda: nullcontext(system))
    found = speed._measure(None, ["rerank-1", "rerank-32", "chat-1"], 2, 1.0, Console(quiet=True))
    assert {case: len(rounds["one"]) for case, rounds in found.items()} == {
        "rerank-1": 4, "rerank-32": 4,
    }  # fmt: skip
    assert set(Counter(asked).values()) == {2}  # each of two systems the same, once


async def test_the_cpu_time_of_a_process_is_that_of_all_below_it():
    spin = "import time; end = time.time() + 60\nwhile time.time() < end: pass"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}])"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", outer, start_new_session=True
    )
    try:
        meter = CpuMeter(process.pid)
        meter.read()
        while True:
            await asyncio.sleep(0.1)
            meter.read()
            if used := sum(meter.used_s().values()):
                break
        assert 0 < used < 2
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
