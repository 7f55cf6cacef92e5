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
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmarks.hostile_clients import Bombers, Make, Slow, apart

_PROCESSES = {"proxy": r"ray::ProxyActor", "gateway": r"ray::ServeReplica:[^:]*:Gateway"}
_KINDS = ("headers", "bodies", "readers", "bombs")
_FILE_BYTES = 2_000_000


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
        asked = f"GET /v1/files/{file_id}/content ".encode() + base + b"\r\n"
        slow = partial(Slow, host, port, count)
        clients: dict[str, Make] = {
            "headers": partial(
                slow, head=b"GET /v1/models " + base, drop=b"x-a: b\r\n", reads=True
            ),
            "bodies": partial(
                slow, head=posted + b"content-length: 9999\r\n\r\n", drop=b"[", reads=True
            ),
            "readers": partial(slow, head=asked, drop=b"", reads=False),
            "bombs": partial(Bombers, host, port),
        }
        for kind in kinds:
            quiet = await honest(client, model, for_s / 2)
            before = memory_mb()
            async with apart(clients[kind]) as counted:
                times = await honest(client, model, for_s)
                during = memory_mb()
            quiet += await honest(client, model, for_s / 2)
            phases[f"quiet around {kind}"] = told(quiet, before)
            phases[kind] = told(times, during) | dict(sorted(counted.items()))
            ratio = phases[kind]["p99_ms"] / phases[f"quiet around {kind}"]["p99_ms"]
            phases[kind]["p99_ratio"] = round(ratio, 2)
        await client.delete(f"/v1/files/{file_id}")
    return phases


def told(times: list[float], memory: dict[str, float]) -> dict[str, float]:
    """What is told of one phase."""
    cuts = statistics.quantiles(times, n=100)
    return {
        "num_requests": len(times),
        "p50_ms": round(cuts[49], 1),
        "p99_ms": round(cuts[98], 1),
        **{f"{name}_mb": round(size) for name, size in memory.items()},
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
