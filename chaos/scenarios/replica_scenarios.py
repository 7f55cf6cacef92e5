"""Faults that hit single processes: generators, gateways, the controller."""

import asyncio
from collections import defaultdict
from dataclasses import replace

from chaos import processes
from chaos.arena import MODELS, Arena, Size, kill_replica, until
from chaos.errors import ChaosError
from chaos.load import ChatCall, Load, reconnecting, within
from chaos.report import Fault, Report, Spread, compare

_MOST_STALL_S = 6.0  # RELIABILITY: the limit at which Dynamo's tests fail
_P99_STALL_S = 3.0
_RESUME_DEADLINE_S = 60.0
_BETWEEN_WAVES_S = 3.0
_MOST_HITS = 3  # more migrations than that end a stream
_IN_FLIGHT_S = 0.2  # after a kill, text may still come that was written before

Hits = dict[str, list[float]]  # stream -> when it lost its generator, seconds of the load's clock


async def replica_kill(arena: Arena, size: Size) -> Report:
    """Takes the generator from every stream with SIGKILL, at a random token, wave by wave.

    Args:
        arena: where.
        size: `rate` is of no account; a wave is as many streams as one replica has slots.
    """
    report = Report(scenario="replica-kill", seed=arena.seed)
    wanted = await arena.counts([arena.deployment])
    waves = await _waves(arena, size)
    calls = [call for wave in waves for call in wave]
    await arena.control(report, calls)
    hits: Hits = defaultdict(list)

    async def kill_under_each_wave(load: Load) -> None:
        for wave in waves:
            await asyncio.sleep(max(wave[-1].at_s - load.now_s, 0))
            await _kill_until_all_are_hit(arena, report, load, {call.key for call in wave}, hits)

    await arena.attack(report, calls, kill_under_each_wave)
    await arena.until_back(wanted)
    spared = [call.key for call in calls if not hits[call.key]]
    report.check("every stream lost its generator", not spared, spared[:5])
    _check_streams(report)
    report.figures["losses_a_stream"] = round(sum(map(len, hits.values())) / len(calls), 2)
    return report


async def _waves(arena: Arena, size: Size) -> list[list[ChatCall]]:
    """Makes waves of streams that one replica alone has room for: a spare one is always warm."""
    served = await arena.served()
    slots = min(one["slots"] for one in served)
    lasts_s = size.max_tokens / min(one["tokens_per_s"] for one in served) + _BETWEEN_WAVES_S
    calls = arena.calls(size)
    return [
        [replace(call, at_s=number * lasts_s) for call in calls[start : start + slots]]
        for number, start in enumerate(range(0, len(calls), slots))
    ]


async def _kill_until_all_are_hit(
    arena: Arena, report: Report, load: Load, keys: set[str], hits: Hits
) -> None:
    """Kills one replica after the other, each while another one runs, as long as streams do.

    The next is the one with the most streams that have lost none yet.
    """
    while spared := {key for key in keys if not hits[key] and not _has_ended(load, key)}:
        await asyncio.sleep(arena.chance.uniform(0.1, 1.0))
        active = await arena.active()
        alive = {one.pid: one for one in await arena.replicas(arena.deployment)}
        victims = [
            one
            for pid, one in alive.items()
            if active.get(pid, set()) & spared
            and all(may_be_hit(load, key, hits[key]) for key in active[pid])
        ]
        if victims and len(alive) > 1:
            victim = max(victims, key=lambda one: len(active[one.pid] & spared))
            await kill_replica(report, load, victim)
            for key in active[victim.pid]:
                hits[key].append(load.now_s)


def may_be_hit(load: Load, key: str, hits: list[float]) -> bool:
    """Whether it has got text since its last loss; two losses at one token are taken for poison."""
    if not hits:
        return True
    pieces = load.outcomes[key].pieces if key in load.outcomes else []
    has_gone_on = bool(pieces) and pieces[-1][0] > hits[-1] + _IN_FLIGHT_S
    return has_gone_on and len(hits) < _MOST_HITS


def _has_ended(load: Load, key: str) -> bool:
    return key in load.outcomes and load.outcomes[key].ended_s > 0


def _check_streams(report: Report) -> None:
    """All finished, all exact, with short pauses."""
    found = compare(report.control, report.run)
    finished = sum(one.succeeded for one in report.run)
    report.check("every stream finished", finished == len(report.run), finished)
    report.check("no token lost", found.num_lost == 0, found.num_lost)
    report.check("no token doubled", found.num_doubled == 0, found.num_doubled)
    report.check("text and usage identical", not found.differing, list(found.differing[:5]))
    stalls = Spread.of([one.longest_stall_s for one in report.run])
    if stalls is not None:
        report.check(f"p99 stall <= {_P99_STALL_S} s", stalls.p99 <= _P99_STALL_S, stalls.p99)
        report.check(f"longest stall <= {_MOST_STALL_S} s", stalls.max <= _MOST_STALL_S, stalls.max)


async def freeze(arena: Arena, size: Size) -> Report:
    """SIGSTOPs the busiest generator and wakes it while its streams go on elsewhere."""
    report = Report(scenario="freeze", seed=arena.seed)
    calls = arena.calls(size)
    await arena.control(report, calls)
    woken_amid: list[int] = []

    async def stop_one(load: Load) -> None:
        await asyncio.sleep(calls[-1].at_s + 1)
        active = await arena.active()
        pid = max(active, key=lambda one: len(active[one]))
        if not active[pid]:
            msg = "no generator writes a stream, so that freezing one would prove nothing"
            raise ChaosError(msg)
        await asyncio.to_thread(processes.freeze, pid)
        frozen_s = load.now_s
        fault = Fault(
            kind="SIGSTOP", target=f"Generator {pid}", at_s=frozen_s, proof=f"pid {pid}: state T"
        )
        report.faults.append(fault)
        try:
            await until(lambda: _go_on(load, active[pid], frozen_s + 1), "the streams to go on", 30)
        finally:
            await asyncio.to_thread(processes.thaw, pid)
        fault.recovered_s = load.now_s - frozen_s
        fault.proof += f"; running again after {fault.recovered_s:.1f} s"
        woken_amid.append(load.num_running)

    await arena.attack(report, calls, stop_one)
    found = compare(report.control, report.run)
    finished = sum(one.succeeded for one in report.run)
    report.check("every stream finished", finished == len(report.run), finished)
    report.check("late tokens were dropped", not found.differing, list(found.differing[:5]))
    report.check("woken while streams ran", sum(woken_amid) > 0, woken_amid)
    return report


async def _go_on(load: Load, keys: set[str], since_s: float) -> bool:
    """Whether every one of these streams has given text since, or has ended."""
    outcomes = [load.outcomes[key] for key in keys if key in load.outcomes]
    return all(one.ended_s or (one.pieces and one.pieces[-1][0] > since_s) for one in outcomes)


async def gateway_kill(arena: Arena, size: Size) -> Report:
    """SIGKILLs the gateways in turn, while every client comes back with `Last-Event-ID`."""
    report = Report(scenario="gateway-kill", seed=arena.seed)
    wanted = await arena.counts(["Gateway"])
    calls = arena.calls(size)
    await arena.control(report, calls)

    async def kill_gateways(load: Load) -> None:
        for _ in range(size.num_faults):
            await arena.until_back(wanted)
            await until(lambda: _have_begun(load, 4), "streams that have begun", 60)
            victim = arena.chance.choice(await arena.replicas("Gateway"))
            fault = await kill_replica(report, load, victim)
            fault.recovered_s = await arena.until_back(wanted)

    await arena.attack(report, reconnecting(calls), kill_gateways)
    found = compare(report.control, report.run)
    num_returned = sum(one.num_reconnects > 0 for one in report.run)
    report.check("streams were broken", num_returned > 0, num_returned)
    report.check("every stream exact", not found.differing, list(found.differing[:5]))
    return report


async def _have_begun(load: Load, count: int) -> bool:
    begun = [one for one in load.outcomes.values() if one.pieces and not one.ended_s]
    return len(begun) >= count


async def controller_kill(arena: Arena, size: Size) -> Report:
    """SIGKILLs Serve's controller under load."""
    report = Report(scenario="controller-kill", seed=arena.seed)
    calls = arena.calls(size, "rag")
    await arena.fill_corpus()
    await arena.control(report, calls)

    async def kill_controller(load: Load) -> None:
        for _ in range(size.num_faults):
            await asyncio.sleep(2)
            pid = await asyncio.to_thread(arena.system.controller_pid)
            await asyncio.to_thread(processes.kill, [pid])
            fault = Fault(kind="SIGKILL", target=f"controller {pid}", at_s=load.now_s, proof="")
            report.faults.append(fault)
            await until(lambda pid=pid: _other_controller(arena, pid), "another controller")  # type: ignore[misc]
            await arena.until_back(dict.fromkeys(MODELS, 1))
            fault.recovered_s = load.now_s - fault.at_s
            fault.proof = f"pid {pid} is gone and another controller runs"

    await arena.attack(report, calls, kill_controller)
    failed = [one.key for one in report.run if not one.succeeded]
    report.check("no request failed", not failed, failed[:5])
    return report


async def _other_controller(arena: Arena, pid: int) -> bool:
    try:
        return await asyncio.to_thread(arena.system.controller_pid) != pid
    except ChaosError:
        return False


async def outage(arena: Arena, size: Size) -> Report:
    """SIGKILLs all generators at once: streams wait, new requests are told when to come back."""
    report = Report(scenario="outage", seed=arena.seed)
    wanted = await arena.counts(["Generator"])
    calls = within(arena.calls(size), _RESUME_DEADLINE_S)
    await arena.control(report, calls)
    newcomers = Load(arena.system.url)

    async def kill_all(load: Load) -> None:
        await asyncio.sleep(calls[-1].at_s + 1.5)
        victims = await arena.replicas("Generator")
        await asyncio.to_thread(processes.kill, [one.pid for one in victims])
        pids = [one.pid for one in victims]
        fault = Fault(
            kind="SIGKILL", target=f"all generators {pids}", at_s=load.now_s,
            proof=f"pids {pids} are gone",
        )  # fmt: skip
        report.faults.append(fault)
        asked = Arena(system=arena.system, seed=arena.seed + 1).calls(
            Size(num_requests=6, rate=6.0, max_tokens=2)
        )
        await newcomers.run(asked)
        fault.recovered_s = await arena.until_back(wanted)

    await arena.attack(report, calls, kill_all)
    found = compare(report.control, report.run)
    report.check("waiting streams resumed exactly", not found.differing, list(found.differing[:5]))
    new = list(newcomers.outcomes.values())
    told = [one for one in new if one.rejected and one.retry_after is not None]
    seen = [f"{one.status} retry-after={one.retry_after}" for one in new]
    report.check("new requests got 503 with Retry-After", bool(told), seen)
    only = all(one.succeeded or one in told for one in new)
    report.check("and nothing but that or an answer", only, seen)
    return report
