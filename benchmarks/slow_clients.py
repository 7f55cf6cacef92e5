"""How honest clients fare beside hundreds of slow ones: `python -m benchmarks.slow_clients`.

Against a system that runs on this machine (`make serve`), one honest client embeds short texts:
with nobody beside it, beside 500 connections of one kind of slow client, with nobody again.

    headers   a header line a second, never the last one
    bodies    a byte of a body a second
    readers   a file of 2 MB that is asked for and not read
    bombs     sixteen connections that send what is small and takes long or much room to read: JSON
              of great depth, of many names, with an endless number; 64 MB of zeros as gzip;
              multipart of thousands of parts. Each sends one, reads the reply, and waits a second

It tells the honest client's p50 and p99 of each phase, the p99 as a ratio to that of the quiet ones
around it, the memory of proxy and Gateway, and what the bombs were answered with. Exit status 1: a
ratio beyond `--worst`, or a bomb that was answered with anything but a refusal (400 to 499).
"""

import argparse
import asyncio
import gzip
import json
import re
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import httpx

_PROCESSES = {"proxy": r"ray::ProxyActor", "gateway": r"ray::ServeReplica:[^:]*:Gateway"}
_KINDS = ("headers", "bodies", "readers", "bombs")
_NUM_BOMBERS = 16
_FILE_BYTES = 2_000_000
_PAUSE_S = 1.0
_OPEN_S = 15.0  # until all connections stand
_HEAD_START_S = 3.0


@asynccontextmanager
async def _at_work(tasks: Sequence["asyncio.Task[None]"]) -> AsyncIterator[None]:
    """Lets clients do their worst for a while before the block, and ends them after it."""
    await asyncio.sleep(_HEAD_START_S)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


class Slow:
    """Many connections to one address that do their worst."""

    def __init__(self, host: str, port: int, count: int) -> None:
        self._address = (host, port)
        self._count = count
        self.num_closed = 0

    @asynccontextmanager
    async def running(self, head: bytes, drop: bytes, *, reads: bool) -> AsyncIterator[None]:
        """Holds the connections as long as the block runs; one that is closed is opened again."""
        tasks = []
        for _ in range(self._count):  # one after the other: a rush is another matter
            tasks.append(asyncio.create_task(self._hold(head, drop, reads=reads)))
            await asyncio.sleep(_OPEN_S / self._count)
        async with _at_work(tasks):
            yield

    async def _hold(self, head: bytes, drop: bytes, *, reads: bool) -> None:
        loop = asyncio.get_running_loop()
        while True:
            with socket.socket() as connection:
                connection.setblocking(False)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                try:
                    await loop.sock_connect(connection, self._address)
                    await loop.sock_sendall(connection, head)
                    while True:
                        await asyncio.sleep(_PAUSE_S)
                        if drop:
                            await loop.sock_sendall(connection, drop)
                        if reads and _is_closed(connection):
                            break
                        if not reads and _is_broken(connection):
                            break
                except OSError:
                    pass
                self.num_closed += 1
            await asyncio.sleep(_PAUSE_S)


class Bombers:
    """Connections that send bombs in turn, and read what is said of them."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self.statuses: Counter[str] = Counter()

    @asynccontextmanager
    async def running(self, bombs: Sequence[bytes]) -> AsyncIterator[None]:
        """Sends as long as the block runs."""
        turns = cycle(bombs)
        tasks = [asyncio.create_task(self._send(turns)) for _ in range(_NUM_BOMBERS)]
        async with _at_work(tasks):
            yield

    async def _send(self, bombs: Iterator[bytes]) -> None:
        while True:
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                writer.write(next(bombs))
                status = (await reader.readline()).split(b" ")[1:2]
                self.statuses[status[0].decode() if status else "closed"] += 1
            except OSError:  # it may be cut off before all was sent
                self.statuses["closed"] += 1
            finally:
                writer.transport.abort()
            await asyncio.sleep(_PAUSE_S)


def bombs_to(host: str) -> list[bytes]:
    """Whole requests, below what a body may be and above what is good."""
    names = b",".join(b'"n%d":1' % number for number in range(60_000))
    part = b'--x\r\ncontent-disposition: form-data; name="a%d"\r\n\r\nb\r\n'
    parts = b"".join(part % number for number in range(5_000)) + b"--x--\r\n"
    json_ = "application/json"
    return [
        _request(host, "/v1/chat/completions", json_, b"[" * 900_000),
        _request(host, "/v1/chat/completions", json_, b'{"messages":' * 70_000),
        _request(host, "/v1/chat/completions", json_, b'{"metadata":{' + names + b"}}"),
        _request(host, "/v1/embeddings", json_, b'{"dimensions":' + b"9" * 900_000 + b"}"),
        _request(host, "/v1/embeddings", json_, gzip.compress(bytes(64_000_000)), "gzip"),
        _request(host, "/v1/files", "multipart/form-data; boundary=x", parts),
    ]


def _request(host: str, path: str, kind: str, body: bytes, coding: str = "identity") -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\n"
        f"content-encoding: {coding}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(4096) == b""
    except BlockingIOError:
        return False


def _is_broken(connection: socket.socket) -> bool:
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


async def honest(client: httpx.AsyncClient, model: str, for_s: float) -> list[float]:
    """Embeds short texts one after the other; gives the times in milliseconds."""
    times: list[float] = []
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        began = time.perf_counter()
        body = {"model": model, "input": f"text number {len(times)}"}
        reply = await client.post("/v1/embeddings", json=body)
        reply.raise_for_status()
        times.append(1000 * (time.perf_counter() - began))
    return times


def memory_mb() -> dict[str, float]:
    """The resident memory of proxy and Gateway."""
    found = dict.fromkeys(_PROCESSES, 0.0)
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_text()
            status = (folder / "status").read_text()
        except OSError:
            continue
        resident = re.search(r"VmRSS:\s+(\d+) kB", status)
        for name, pattern in _PROCESSES.items():
            if resident and re.match(pattern, command):
                found[name] = max(found[name], int(resident[1]) / 1024)
    return found


async def measure(
    url: str, *, kinds: Sequence[str], count: int, for_s: float
) -> dict[str, dict[str, float]]:
    """Runs the phases of each kind, with quiet ones before and after; gives what was measured."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    phases: dict[str, dict[str, float]] = {}
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        models = (await client.get("/v1/models")).json()["data"]
        model = next(one["id"] for one in models if "embedder" in one["id"])
        upload = await client.post(
            "/v1/files", data={"purpose": "assistants"},
            files={"file": ("big.txt", b"word " * (_FILE_BYTES // 5))},
        )  # fmt: skip
        file_id = upload.raise_for_status().json()["id"]
        base = f"HTTP/1.1\r\nhost: {host}\r\n".encode()
        posted = b"POST /v1/embeddings " + base + b"content-type: application/json\r\n"
        sent: dict[str, tuple[bytes, bytes, bool]] = {
            "headers": (b"GET /v1/models " + base, b"x-a: b\r\n", True),
            "bodies": (posted + b"content-length: 9999\r\n\r\n", b"[", True),
            "readers": (f"GET /v1/files/{file_id}/content ".encode() + base + b"\r\n", b"", False),
        }
        for kind in kinds:
            slow, bombers = Slow(host, port, count), Bombers(host, port)
            quiet = await honest(client, model, for_s / 2)
            before = memory_mb()
            async with (
                bombers.running(bombs_to(host))
                if kind == "bombs"
                else slow.running(*sent[kind][:2], reads=sent[kind][2])
            ):
                times = await honest(client, model, for_s)
                during = memory_mb()
            quiet += await honest(client, model, for_s / 2)
            phases[f"quiet around {kind}"] = told(quiet, before, 0)
            phases[kind] = told(times, during, slow.num_closed) | {
                f"answered_{status}": num for status, num in sorted(bombers.statuses.items())
            }
            ratio = phases[kind]["p99_ms"] / phases[f"quiet around {kind}"]["p99_ms"]
            phases[kind]["p99_ratio"] = round(ratio, 2)
        await client.delete(f"/v1/files/{file_id}")
    return phases


def told(times: list[float], memory: dict[str, float], num_closed: int) -> dict[str, float]:
    """What is told of one phase."""
    cuts = statistics.quantiles(times, n=100)
    return {
        "num_requests": len(times),
        "p50_ms": round(cuts[49], 1),
        "p99_ms": round(cuts[98], 1),
        **{f"{name}_mb": round(size) for name, size in memory.items()},
        "num_closed": num_closed,
    }


def main(write: Callable[[str], object] = sys.stdout.write) -> int:
    """Runs the command line; gives its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.slow_clients", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--kinds", nargs="+", choices=_KINDS, default=_KINDS)
    parser.add_argument("--connections", type=int, default=500, help="of slow clients")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each phase")
    parser.add_argument("--worst", type=float, default=2.0, help="most that a p99 may grow")
    options = parser.parse_args()
    measured = measure(
        options.url, kinds=options.kinds, count=options.connections, for_s=options.seconds
    )
    phases = asyncio.run(measured)
    write(json.dumps(phases, indent=2) + "\n")
    is_slow = any(one.get("p99_ratio", 0) > options.worst for one in phases.values())
    answers = [name for one in phases.values() for name in one if name.startswith("answered_")]
    return int(is_slow or any(not name.startswith("answered_4") for name in answers))


if __name__ == "__main__":
    sys.exit(main())
