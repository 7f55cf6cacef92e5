"""How honest clients fare beside hundreds of slow ones: `python -m benchmarks.slow_clients`.

Against a system that runs on this machine (`make serve`), one honest client embeds short texts:
with nobody beside it, beside 500 connections of one kind of slow client, with nobody again.

    headers   a header line a second, never the last one
    bodies    a byte of a body a second
    readers   a file of 2 MB that is asked for and not read

It tells the honest client's p50 and p99 of each phase, the p99 as a ratio to that of the quiet ones
around it, and the memory of proxy and Gateway. Exit status 1: a ratio beyond `--worst`.
"""

import argparse
import asyncio
import json
import re
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

_PROCESSES = {"proxy": r"ray::ProxyActor", "gateway": r"ray::ServeReplica:[^:]*:Gateway"}
_KINDS = ("headers", "bodies", "readers")
_FILE_BYTES = 2_000_000
_PAUSE_S = 1.0
_OPEN_S = 15.0  # until all connections stand


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
        await asyncio.sleep(3)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

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
            head, drop, reads = sent[kind]
            quiet = await honest(client, model, for_s / 2)
            before = memory_mb()
            slow = Slow(host, port, count)
            async with slow.running(head, drop, reads=reads):
                times = await honest(client, model, for_s)
                during = memory_mb()
            quiet += await honest(client, model, for_s / 2)
            phases[f"quiet around {kind}"] = told(quiet, before, 0)
            phases[kind] = told(times, during, slow.num_closed)
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
    return int(any(one.get("p99_ratio", 0) > options.worst for one in phases.values()))


if __name__ == "__main__":
    sys.exit(main())
