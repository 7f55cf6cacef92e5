"""`python -m benchmarks.stall`: how long short requests wait while others send long ones.

    heavy clients   |=====|=====|=====|==        one kind a phase, again and again
    short requests    .  .  .  .  .  .  .        one at a time, all kinds in turn

Asks a running server, by default that of `make serve`. The first phase has no heavy clients; each
other phase has some of one kind, which are gone when it ends. With `--batch-lines` a batch runs in
a last one, whose lines make room for the others; `--pause-s` lets them begin. A phase ends after
`--rounds` short requests of each kind or after `--phase-s` seconds.

Exit status: 0 every short request was answered, and 99 of 100 of each kind within `--limit-s`; 1
some were not, or a replica was lost; 2 the server does not answer before the first phase.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.running_batch import running_batch
from chaos.report import percentile

Body = Mapping[str, Any]
Request = tuple[str, Body]  # path and JSON

ALONE = "alone"
# Codes of errors that a busy server does not give, and one whose replicas died does.
_LOST = frozenset({"replica_lost", "no_reply"})
_LOST_OR_TOO_LONG = frozenset({"unavailable", "safety_unavailable"})  # a heavy one may be too long
_REQUEST_S = 120.0
_HEAD_START_S = 0.5  # of the heavy clients
_QUIET_S = 60.0  # a server that was left alone must answer within that time


@dataclass(kw_only=True)
class Phase:
    """What was seen beside one kind of heavy clients.

    Attributes:
        heavy: the kind.
        latencies_s: of answered short requests, by their kind.
        failures: statuses and codes of the other short requests.
        heavy_replies: statuses and codes of the replies to the heavy clients.
    """

    heavy: str
    latencies_s: dict[str, list[float]] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    heavy_replies: Counter[str] = field(default_factory=Counter)

    @property
    def is_lost(self) -> bool:
        """Whether an error tells of a replica that was lost."""
        return bool(
            _codes(self.failures) & (_LOST | _LOST_OR_TOO_LONG)
            or _codes(self.heavy_replies) & _LOST
        )

    def is_within(self, limit_s: float) -> bool:
        """Whether all short requests were answered, and 99 of 100 of each kind in time."""
        slowest = [percentile(some, 99) for some in self.latencies_s.values()]
        return not self.failures and bool(slowest) and max(slowest) < limit_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all phases, print the table and write the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base-url", default="http://127.0.0.1:8000")
    parser.add_argument("--store", default="handbook", help="the vector store that is searched")
    parser.add_argument("--heavy-clients", type=int, default=2, help="at once")
    parser.add_argument("--batch-lines", type=int, default=0, help="of the batch; 0: no batch")
    parser.add_argument("--only-batch", action="store_true", help="no heavy clients")
    parser.add_argument("--rounds", type=int, default=20, help="short requests a kind and phase")
    parser.add_argument("--pause-s", type=float, default=0.0, help="before each short request")
    parser.add_argument("--phase-s", type=float, default=60.0, help="longest phase, in seconds")
    parser.add_argument("--limit-s", type=float, default=1.0, help="of the 99th percentile")
    parser.add_argument("--out", type=Path, help="write the numbers as JSON")
    options = parser.parse_args(arguments)
    try:
        phases = asyncio.run(measure(options))
    except httpx.HTTPError as err:
        print(f"{options.base_url} does not answer: {err!r}")
        return 2
    print(table(phases))
    for phase in phases:
        heavy, short = dict(phase.heavy_replies), dict(phase.failures)
        print(f"{phase.heavy}: heavy replies {heavy}, short ones that failed {short}")
    is_lost = any(phase.is_lost for phase in phases)
    print("a replica was lost" if is_lost else "no replica was lost")
    if options.out:
        report = [vars(phase) for phase in phases]
        options.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    in_time = all(phase.is_within(options.limit_s) for phase in phases)
    return 0 if in_time and not is_lost else 1


def short_requests(store_id: str) -> dict[str, Request]:
    """One request of each kind, such as an application sends for its user who waits."""
    question = "How large may a file be?"
    chat = {"model": "rag", "messages": [{"role": "user", "content": question}]}
    documents = ["A file may have at most 32 megabytes.", "The log lies in the state folder."]
    return {
        "chat": ("/v1/chat/completions", chat),
        "moderation": ("/v1/moderations", {"input": "How do I open the valve?"}),
        "rerank": ("/v1/rerank", {"query": question, "documents": documents}),
        "embedding": ("/v1/embeddings", {"model": "embedder", "input": question}),
        "search": (f"/v1/vector_stores/{store_id}/search", {"query": question}),
    }


def heavy_requests() -> dict[str, Request]:
    """The longest requests that the limits of the API let in, or just do not."""
    words = " ".join(f"Item {number} of the list is a pump." for number in range(40_000))
    question = {"model": "rag", "messages": [{"role": "user", "content": words[:1_000_000]}]}
    earlier = [
        {"role": "user", "content": words[:900_000]},
        {"role": "assistant", "content": "I see."},
        {"role": "user", "content": "How large may a file be?"},
    ]
    documents = [words[start : start + 900] for start in range(0, 900_000, 900)]
    texts = [words[start : start + 450] for start in range(0, 900_000, 450)]
    return {
        "1 MB questions": ("/v1/chat/completions", question),
        "chats of 1 MB": ("/v1/chat/completions", {"model": "rag", "messages": earlier}),
        "1,000 documents": ("/v1/rerank", {"query": "Which pump?", "documents": documents}),
        "130 KB moderations": ("/v1/moderations", {"input": words[:130_000]}),
        "1 MB moderations": ("/v1/moderations", {"input": words[:1_000_000]}),
        "2,000 embeddings": ("/v1/embeddings", {"model": "embedder", "input": texts}),
    }


async def measure(options: argparse.Namespace) -> list[Phase]:
    """Runs the phase without heavy clients, and one for each kind of them.

    Raises:
        httpx.HTTPError: the server does not answer, or has no such store.
    """
    async with httpx.AsyncClient(base_url=options.base_url, timeout=_REQUEST_S) as client:
        short = short_requests(await _store_id(client, options.store))
        await _run_shorts(client, short, Phase(heavy="warm-up"), options, rounds=2)
        phases = []
        heavies = {} if options.only_batch else heavy_requests()
        for heavy, request in {ALONE: None, **heavies}.items():
            phase = Phase(heavy=heavy)
            num_clients = options.heavy_clients if request else 0
            tasks = [
                asyncio.create_task(_run_heavy(options.base_url, request, phase))
                for _ in range(num_clients)
                if request
            ]
            await asyncio.sleep(_HEAD_START_S)
            await _run_shorts(client, short, phase, options, rounds=options.rounds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await _answers_again(client, phase)
            phases.append(phase)
            print(f"{heavy}: done", flush=True)
        if options.batch_lines:
            phases.append(await _beside_batch(client, short, options))
        return phases


async def _beside_batch(
    client: httpx.AsyncClient, short: Mapping[str, Request], options: argparse.Namespace
) -> Phase:
    phase = Phase(heavy=f"a batch of {options.batch_lines}")
    async with running_batch(client, options.batch_lines) as counts:
        await _run_shorts(client, short, phase, options, rounds=options.rounds)
    phase.heavy_replies.update({f"lines {name}": count for name, count in counts.items()})
    return phase


async def _store_id(client: httpx.AsyncClient, name: str) -> str:
    reply = await client.get("/v1/vector_stores", params={"limit": 100})
    reply.raise_for_status()
    ids = {store["name"]: str(store["id"]) for store in reply.json()["data"]}
    return ids.get(name, name)


async def _run_shorts(
    client: httpx.AsyncClient,
    requests: Mapping[str, Request],
    phase: Phase,
    options: argparse.Namespace,
    *,
    rounds: int,
) -> None:
    ends_at = time.monotonic() + options.phase_s
    for _ in range(rounds):
        for kind, request in requests.items():
            if time.monotonic() > ends_at:
                return
            await asyncio.sleep(options.pause_s)
            began = time.monotonic()
            told = await _told(client, request)
            if told == "200":
                phase.latencies_s.setdefault(kind, []).append(time.monotonic() - began)
            else:
                phase.failures[f"{kind}: {told}"] += 1


async def _run_heavy(base_url: str, request: Request, phase: Phase) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=_REQUEST_S) as client:
        while True:
            phase.heavy_replies[await _told(client, request)] += 1


async def _told(client: httpx.AsyncClient, request: Request) -> str:
    """Gives the status of a reply, and the code of its error."""
    path, body = request
    try:
        reply = await client.post(path, json=body)
    except httpx.HTTPError:
        return "- no_reply"
    if reply.status_code == httpx.codes.OK:
        return "200"
    try:
        code = reply.json()["error"]["code"]
    except (ValueError, KeyError, TypeError):
        code = None
    return f"{reply.status_code} {code or 'no_code'}"


async def _answers_again(client: httpx.AsyncClient, phase: Phase) -> None:
    """Waits until the server is ready, as one must be that nobody asks anything."""
    ends_at = time.monotonic() + _QUIET_S
    while time.monotonic() < ends_at:
        try:
            if (await client.get("/readyz")).status_code == httpx.codes.OK:
                return
        except httpx.HTTPError:
            pass
        await asyncio.sleep(0.2)
    phase.failures["not ready afterwards: - unavailable"] += 1


def _codes(replies: Mapping[str, int]) -> set[str]:
    return {told.rpartition(" ")[2] for told in replies}


def table(phases: Sequence[Phase]) -> str:
    """Writes p50 and p99 of every kind of short request, in ms, as Markdown."""
    kinds = dict.fromkeys(kind for phase in phases for kind in phase.latencies_s)
    lines = [
        f"| short request, p50 / p99 in ms | {' | '.join(phase.heavy for phase in phases)} |",
        "|---|" + "---|" * len(phases),
    ]
    for kind in kinds:
        cells = [_cell(phase.latencies_s.get(kind, [])) for phase in phases]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(latencies_s: Sequence[float]) -> str:
    if not latencies_s:
        return "-"
    p50, p99 = (1000 * percentile(latencies_s, percent) for percent in (50, 99))
    return f"{p50:.0f} / {p99:.0f}"


if __name__ == "__main__":
    raise SystemExit(main())
