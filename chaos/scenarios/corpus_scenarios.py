"""Faults under those who write documents, and under those who search them."""

import asyncio
from collections import Counter
from functools import partial

from chaos.arena import Arena, Size, kill_replica, until
from chaos.errors import TargetError
from chaos.ledger import Verdict
from chaos.load import Load
from chaos.report import Report
from chaos.searches import SearchLoad, fill_store, search_calls
from chaos.target import Replica
from chaos.writing_client import WritingClient

_VICTIMS = ("Ingester", "Retriever", "Gateway")
_LONGEST_PAUSE_S = 2.0
_NUM_LOOKS = 2  # each search goes to one of the retrievers


async def corpus_kill(arena: Arena, size: Size) -> Report:
    """SIGKILLs ingesters, retrievers and gateways at random moments under a writing client.

    Args:
        arena: where.
        size: `rate` is of documents, written until the last kill; `num_requests` and `max_tokens`
            are of no account.
    """
    report = Report(scenario="corpus-kill", seed=arena.seed)
    wanted = await arena.counts(_VICTIMS)
    async with WritingClient(arena.system.url, seed=arena.seed) as client:
        load = Load(arena.system.url)  # its clock
        async with asyncio.TaskGroup() as group:
            group.create_task(client.write(size.rate))
            try:
                await _kill_at_random(arena, report, load, size.num_faults)
            finally:
                client.stop()
        report.figures["kills_s"] = round(load.now_s, 1)
        report.figures["back_s"] = round(await arena.until_back(wanted), 1)
        await client.settle()
        verdicts = []
        for number in range(_NUM_LOOKS):
            texts = await client.found(partial(arena.on_progress, f"look {number + 1}"))
            verdicts.append(client.ledger.judge(texts))
        _check_kills(report, size.num_faults)
        _check_documents(report, verdicts)
        lost = await client.lost_uploads()
        report.check("every upload is listed once", not lost, lost[:5])
        report.figures["uploads_broken"] = client.num_broken
        failed = await client.failed_files()
        report.check("no document failed", not failed, failed[:5])
    return report


async def _kill_at_random(arena: Arena, report: Report, load: Load, num_kills: int) -> None:
    """Kills while the service can work: where nothing is written, nothing can be lost."""
    while len(report.faults) < num_kills:
        await asyncio.sleep(arena.chance.uniform(0, _LONGEST_PAUSE_S))
        if min((await arena.counts(_VICTIMS)).values()) == 0:
            continue
        running = await arena.replicas(arena.chance.choice(_VICTIMS))
        if running and await _kill(report, load, arena.chance.choice(running)):
            arena.on_progress("kills", len(report.faults), num_kills)


async def _kill(report: Report, load: Load, victim: Replica) -> bool:
    """Kills a replica; one that Serve has ended meanwhile is not killed and does not count."""
    try:
        await kill_replica(report, load, victim)
    except TargetError:
        return False
    return True


def _check_kills(report: Report, num_kills: int) -> None:
    kills = Counter(fault.target.split()[0].rstrip("0123456789") for fault in report.faults)
    for name in _VICTIMS:
        report.figures[f"kills_{name}"] = kills[name]
    pids = {fault.target for fault in report.faults}
    report.check("every kill is proven by its pid", len(pids) >= num_kills, len(pids))


def _check_documents(report: Report, verdicts: list[Verdict]) -> None:
    first = verdicts[0]
    report.figures |= {
        "attempted": first.num_attempted,
        "acknowledged": first.num_acknowledged,
        "deleted": first.num_deleted,
        "found": min(one.num_found for one in verdicts),
    }
    report.check("documents were acknowledged", first.num_acknowledged > 0, first.num_acknowledged)
    for what in ("missing", "phantom", "doubled", "torn"):
        seen = sorted({name for one in verdicts for name in getattr(one, what)})
        report.figures[what] = len(seen)
        report.check(f"none {what}", not seen, seen[:5])


async def retriever_kill(arena: Arena, size: Size) -> Report:
    """SIGKILLs every retriever, one after the other, under searches of a large store.

    Args:
        arena: where.
        size: of the load of searches; `num_passages` of the store. `num_faults` is of no account.
    """
    report = Report(scenario="retriever-kill", seed=arena.seed)
    wanted = await arena.counts(["Retriever"])
    store_id = await fill_store(
        arena.system.url, size.num_passages, partial(arena.on_progress, "files")
    )
    calls = search_calls(
        seed=arena.seed, count=size.num_requests, rate=size.rate, num_passages=size.num_passages
    )
    await arena.control(report, calls, SearchLoad(arena.system.url, store_id))
    victims = await arena.replicas("Retriever")

    async def kill_all_in_turn(load: Load) -> None:
        for victim in victims:
            await asyncio.sleep(arena.chance.uniform(0.5, _LONGEST_PAUSE_S))
            await until(lambda victim=victim: _another_runs(arena, victim), "another retriever")  # type: ignore[misc]
            await _kill(report, load, victim)
        report.faults[-1].recovered_s = await arena.until_back(wanted)

    load = SearchLoad(arena.system.url, store_id)
    await arena.attack(report, calls, kill_all_in_turn, load)
    ended_s = max(outcome.ended_s for outcome in report.run)
    amid = [fault for fault in report.faults if fault.at_s < ended_s]
    report.figures["passages"] = size.num_passages
    report.check("all retrievers were killed amid the load", len(amid) == len(victims), len(amid))
    failed = [f"{one.key}: {one.failure}" for one in report.run if not one.succeeded]
    report.check("no search failed", not failed, failed[:5])
    return report


async def _another_runs(arena: Arena, victim: Replica) -> bool:
    """Whether another replica of the same shard runs."""
    return any(one.pid != victim.pid for one in await arena.replicas(victim.deployment))
