"""Faults that take a whole node: SIGKILL without a word, and notices."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from chaos import processes
from chaos.arena import MODELS, Arena, Size, until
from chaos.errors import ChaosError, FaultNotProvenError, TargetError
from chaos.load import Load
from chaos.report import Fault, Report, percentile

_ROOT = Path(__file__).parents[2]
_LEAVE_S = 90.0
_MARGIN_S = 5.0  # the node must be empty so long before the machine goes
_ACCEPT_S = 2.0


async def node_kill(arena: Arena, size: Size) -> Report:
    """SIGKILLs nodes, one at a time all through the load of short requests to the whole graph."""
    report = Report(scenario="node-kill", seed=arena.seed)
    _need_keeper(arena)
    await arena.spot_nodes()
    wanted = await arena.counts(MODELS)
    await arena.fill_corpus()
    calls = arena.calls(size, "rag")
    await arena.control(report, calls)
    span_s = calls[-1].at_s / size.num_faults

    async def kill_nodes(load: Load) -> None:
        for number in range(size.num_faults):
            due_s = (number + arena.chance.uniform(0.1, 0.5)) * span_s
            await asyncio.sleep(max(1.0, due_s - load.now_s))
            node_id = await _choose_node(arena)
            fault = await _kill_node(arena, report, load, node_id)
            async with asyncio.TaskGroup() as group:
                are_back = group.create_task(arena.until_back(wanted))
                group.create_task(_replace_node(arena, load, fault, node_id))
            fault.recovered_s = are_back.result()

    await arena.attack(report, calls, kill_nodes)
    _check_requests(report)
    return report


def _need_keeper(arena: Arena) -> None:
    if arena.keeper is None:
        msg = "this scenario takes nodes away: give --restart-node, or use --local"
        raise TargetError(msg)


async def _choose_node(arena: Arena) -> str:
    """Chooses a node with a replica on it; an empty one would be no loss."""
    busy: list[str] = []
    for name in MODELS:
        busy += [one.node_id for one in await arena.replicas(name)]
    candidates = sorted(set(busy) & set(await arena.spot_nodes()))
    if not candidates:
        msg = "no node that may be taken away has a replica on it"
        raise TargetError(msg)
    return arena.chance.choice(candidates)


async def _kill_node(arena: Arena, report: Report, load: Load, node_id: str) -> Fault:
    """Kills raylet and workers."""
    raylet = await asyncio.to_thread(arena.system.raylet_pid, node_id)
    workers = processes.descendants(raylet)
    await asyncio.to_thread(processes.kill, [raylet], also=workers)
    proof = f"raylet {raylet} and {len(workers)} processes below it are gone"
    fault = Fault(kind="SIGKILL", target=f"node {node_id[:8]}", at_s=load.now_s, proof=proof)
    report.faults.append(fault)
    return fault


async def _replace_node(arena: Arena, load: Load, fault: Fault, node_id: str) -> None:
    """Starts another node as soon as Ray has seen that one is dead."""
    await until(lambda: _has_left(arena, node_id), f"Ray to see that {node_id} is dead", _LEAVE_S)
    fault.proof += f"; the node left Ray after {load.now_s - fault.at_s:.1f} s"
    assert arena.keeper is not None
    await asyncio.to_thread(arena.keeper.replace_node, node_id)


async def _has_left(arena: Arena, node_id: str) -> bool:
    nodes = await asyncio.to_thread(arena.system.nodes)
    return node_id not in {node.node_id for node in nodes}


def _check_requests(report: Report) -> None:
    """Nearly all succeed, and the slow ones are not much slower than on a quiet day."""
    succeeded = [one for one in report.run if one.succeeded]
    share = len(succeeded) / len(report.run)
    report.check("at least 99.9 % succeeded", share >= 0.999, f"{100 * share:.2f} %")
    p99 = percentile([one.ended_s - one.sent_s for one in succeeded], 99)
    quiet = percentile([one.ended_s - one.sent_s for one in report.control], 99)
    report.figures["p99_to_quiet"] = round(p99 / quiet, 2)
    report.check("p99 at most twice the quiet one", p99 <= 2 * quiet, f"{p99:.2f} : {quiet:.2f} s")


@dataclass(frozen=True, kw_only=True)
class NoticeSettings:
    """Which notice is given.

    Attributes:
        cloud: `aws`, `gcp` or `azure`.
        notice_s: seconds from the notice to the end of the machine.
    """

    cloud: str = "aws"
    notice_s: float = 30.0


async def drain(arena: Arena, size: Size, settings: NoticeSettings) -> Report:
    """Gives a node notice through the fake metadata service, under streams and requests."""
    name = f"drain-{settings.cloud}-{settings.notice_s:g}s"
    report = Report(scenario=name, seed=arena.seed)
    _need_keeper(arena)
    node_id = await _choose_node(arena)
    wanted = await arena.counts(MODELS)
    await arena.fill_corpus()
    calls = arena.calls(size, "rag")
    await arena.control(report, calls)
    async with _metadata(settings.cloud) as metadata, _watcher(arena, metadata, node_id) as watcher:

        async def give_notice(load: Load) -> None:
            await asyncio.sleep(2)
            fault = Fault(kind="notice", target=f"node {node_id[:8]}", at_s=load.now_s, proof="")
            report.faults.append(fault)
            await _notice(report, settings, metadata, watcher)
            await _see_out(arena, report, load, node_id, settings)
            assert arena.keeper is not None
            await asyncio.to_thread(arena.keeper.replace_node, node_id)
            await arena.until_back(wanted)

        await arena.attack(report, calls, give_notice)
    failed = [f"{one.key}: {one.failure}" for one in report.run if not one.succeeded]
    report.check("no request failed", not failed, failed[:5])
    events = [one.key for one in report.run if any("error event" in e for e in one.errors)]
    report.check("no error event", not events, events[:5])
    return report


async def _notice(
    report: Report, settings: NoticeSettings, metadata: str, watcher: asyncio.StreamReader
) -> None:
    """Gives the notice and waits until Ray has accepted the drain."""
    order = {"cloud": settings.cloud, "kind": "terminate", "in_s": settings.notice_s}
    given = time.monotonic()
    async with httpx.AsyncClient() as client:
        reply = await client.post(f"{metadata}/_control", content=json.dumps(order))
        reply.raise_for_status()
    await _line(watcher, r"drain accepted", settings.notice_s)
    accepted_s = time.monotonic() - given
    report.figures["notice_to_drain_s"] = round(accepted_s, 3)
    report.check("drain accepted within 2 s", accepted_s <= _ACCEPT_S, f"{accepted_s:.2f} s")


async def _see_out(
    arena: Arena, report: Report, load: Load, node_id: str, settings: NoticeSettings
) -> None:
    """Waits until the node is empty, and until it has left."""
    fault = report.faults[-1]
    await _until_empty(arena, node_id, settings)
    empty_s = load.now_s - fault.at_s
    spare_s = settings.notice_s - empty_s
    report.check("empty 5 s before the deadline", spare_s >= _MARGIN_S, f"{spare_s:.1f} s")
    await _until_gone(arena, node_id, settings)
    left_s = load.now_s - fault.at_s
    report.figures |= {"empty_s": round(empty_s, 2), "left_s": round(left_s, 2)}
    fault.proof = (
        f"no replica on the node {empty_s:.1f} s after the notice; it left Ray after {left_s:.1f} s"
    )


async def _until_empty(arena: Arena, node_id: str, settings: NoticeSettings) -> None:
    """Waits until no replica is on the node.

    Raises:
        FaultNotProvenError: some stay.
    """

    async def is_empty() -> bool:
        return not await asyncio.to_thread(arena.system.remaining_on, node_id)

    await _prove(is_empty, f"replicas stay on {node_id}, though it was given notice", settings)


async def _until_gone(arena: Arena, node_id: str, settings: NoticeSettings) -> None:
    """Waits until the node has left Ray.

    Raises:
        FaultNotProvenError: it stays.
    """
    msg = f"node {node_id} has not left Ray, though it was given notice"
    await _prove(lambda: _has_left(arena, node_id), msg, settings)


async def _prove(
    condition: Callable[[], Awaitable[bool]], msg: str, settings: NoticeSettings
) -> None:
    try:
        await until(condition, msg, settings.notice_s + _LEAVE_S)
    except ChaosError as err:
        raise FaultNotProvenError(msg) from err


@asynccontextmanager
async def _metadata(cloud: str) -> AsyncIterator[str]:
    """Runs the fake metadata service and gives its URL."""
    command = ("-m", "cluster.fake_metadata", "--port", "0", "--clouds", cloud)
    async with _child(*command) as output:
        found = await _line(output, r"(http://[\w.:]+)", 60)
        yield found


@asynccontextmanager
async def _watcher(
    arena: Arena, metadata: str, node_id: str
) -> AsyncIterator[asyncio.StreamReader]:
    """Runs the spot watcher of one node and gives its log."""
    options = ("--address", arena.system.ray_address, "--node-id", node_id)
    where = ("--metadata-url", metadata, "--metrics-port", "0")
    environment = arena.system.environment()
    async with _child("-m", "cluster.spot", *options, *where, **environment) as output:
        await _line(output, r"watching node_id", 90)
        await asyncio.sleep(1)  # the first look at the metadata service is over
        yield output


@asynccontextmanager
async def _child(*arguments: str, **environment: str) -> AsyncIterator[asyncio.StreamReader]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-u", *arguments, cwd=_ROOT, env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(output: asyncio.StreamReader, pattern: str, timeout_s: float) -> str:
    """Reads a log up to the line that matches and gives the match.

    Raises:
        ChaosError: the log ends, or the line does not come.
    """
    read: list[str] = []
    try:
        async with asyncio.timeout(timeout_s):
            async for raw in output:
                read.append(raw.decode(errors="replace"))
                if found := re.search(pattern, read[-1]):
                    return found.group()
    except TimeoutError:
        pass
    msg = f"no line with {pattern!r} came; the last ones: {''.join(read[-5:])}"
    raise ChaosError(msg)
