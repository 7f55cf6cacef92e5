"""The writer is gone and stays gone: questions need no one who writes documents."""

import asyncio
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from chaos.arena import Arena, Size, kill_replica
from chaos.errors import TargetError
from chaos.load import ChatCall, Load, Outcome
from chaos.report import Report

_DEPLOYMENT = "Ingester"
_LOOK_S = 0.1
# Some questions begin before the first kill, or while a new ingester has just come up.
_SENT_TO_COUNTED = 1.25


async def ingester_kill(arena: Arena, size: Size) -> Report:
    """SIGKILLs every ingester, and every new one as it appears, under cited questions.

    Half of the questions name their store, half leave it to the service.

    Args:
        arena: where.
        size: `num_requests` questions have to begin while no ingester runs; a quarter more are
            sent. `num_faults` is of no account: the ingester is kept down until the last one ends.
    """
    report = Report(scenario="ingester-kill", seed=arena.seed)
    wanted = await arena.counts([_DEPLOYMENT])
    store = await arena.fill_corpus()
    num_sent = math.ceil(_SENT_TO_COUNTED * size.num_requests)
    calls = questions(arena.calls(replace(size, num_requests=num_sent), "rag"), store)
    await arena.control(report, calls)
    absences = Absences()

    async def keep_down(load: Load) -> None:
        while len(load.outcomes) < len(calls) or load.num_running:
            looked_s = load.now_s
            if await _kill_all(arena, report, load):
                absences.appeared(killed_s=load.now_s)
            else:
                absences.seen_gone(looked_s)
            await asyncio.sleep(_LOOK_S)
        back_s = await arena.until_back(wanted)
        if report.faults:
            report.faults[-1].recovered_s = back_s

    await arena.attack(report, calls, keep_down)
    _check(report, absences, size.num_requests)
    return report


def questions(calls: Sequence[ChatCall], store: str) -> list[ChatCall]:
    """Names the store in half of the questions: two by two, since every other one is greedy."""
    named = {"model": f"rag:{store}"}
    return [
        replace(call, body={**call.body, **named}) if index // 2 % 2 else call
        for index, call in enumerate(calls)
    ]


@dataclass
class Absences:
    """When no ingester can have answered, in seconds of the load's clock.

    A new ingester is seen some time after it came up. An absence therefore ends with the last look
    that found none, and begins when the kill is proven.
    """

    spans: list[tuple[float, float]] = field(default_factory=list)
    _killed_s: float | None = None

    def appeared(self, *, killed_s: float) -> None:
        """Notes that ingesters were found, and that all of them were gone at `killed_s`."""
        self._killed_s = killed_s

    def seen_gone(self, looked_s: float) -> None:
        """Notes a look that found none; it was begun at `looked_s`."""
        if self._killed_s is None:
            return
        if self.spans and self.spans[-1][0] == self._killed_s:
            self.spans.pop()
        self.spans.append((self._killed_s, looked_s))

    def hold(self, at_s: float) -> bool:
        """Says whether no ingester can have answered at this time."""
        return any(begin_s <= at_s <= end_s for begin_s, end_s in self.spans)


async def _kill_all(arena: Arena, report: Report, load: Load) -> bool:
    """Kills every ingester that runs or starts, and says whether there was one."""
    victims = await asyncio.to_thread(arena.system.started_replicas, _DEPLOYMENT)
    for victim in victims:
        with suppress(TargetError):  # Serve has ended it meanwhile
            await kill_replica(report, load, victim)
    return bool(victims)


def _check(report: Report, absences: Absences, num_wanted: int) -> None:
    begun = [one for one in report.run if absences.hold(one.sent_s)]
    answered = [one for one in begun if _is_cited(one)]
    report.figures |= {
        "kills": len(report.faults),
        "without_ingester_s": round(sum(end_s - begin_s for begin_s, end_s in absences.spans), 1),
        "begun_without_ingester": len(begun),
        "answered_of_these": len(answered),
    }
    report.check(f"{num_wanted} began without an ingester", len(begun) >= num_wanted, len(begun))
    failed = [
        f"{one.key}: {one.failure or 'no source'}" for one in report.run if not _is_cited(one)
    ]
    report.check("every question was answered from its store", not failed, failed[:5])


def _is_cited(outcome: Outcome) -> bool:
    return outcome.succeeded and outcome.num_sources > 0
