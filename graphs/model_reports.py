"""What is known of the models behind the graph: how far each is, where it runs, what failed.

A call to a generator waits for one of its slots, so nobody waits here: `latest` gives what is known
and has the replicas asked in the background. Of several replicas of a model one is asked.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import Protocol

from deployments.replica import ReplicaDescription
from graphs.errors import GraphError

logger = logging.getLogger(__name__)

_FRESH_S = 5.0


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """How far a model is.

    Attributes:
        phase: `starting` while no replica runs, else `loading`, `warming up` or `serving`.
        phase_s: for how long; for what starts, since this Gateway knows.
        model: the id of what answers.
        failure: why what its settings name does not answer.
        load_s: how long what answers took to load.
        device: where it runs.
        num_gpus: its share.
        memory_bytes: what its process uses there.
        adapters: names of a generator's LoRA adapters.
    """

    phase: str
    phase_s: float
    model: str = ""
    failure: str = ""
    load_s: float = 0.0
    device: str = ""
    num_gpus: float = 0.0
    memory_bytes: int = 0
    adapters: tuple[str, ...] = ()


class Reports(Protocol):
    """Tells about models, by role."""

    def latest(self) -> Mapping[str, ModelReport]:
        """Gives what is known now."""
        ...

    async def fresh(self) -> Mapping[str, ModelReport]:
        """Gives what is known once the replicas were asked; they have a short time."""
        ...


class NoReports:
    """Where nobody is asked."""

    def latest(self) -> Mapping[str, ModelReport]:
        """Gives nothing."""
        return {}

    async def fresh(self) -> Mapping[str, ModelReport]:
        """Gives nothing."""
        return {}


class ModelReports:
    """Asks the model deployments now and then. See `Reports`.

    Args:
        ask: role -> asks a replica, or raises GraphError.
        runs: tells for each role whether a replica runs.
        resume_s: how long an answer waits for a generator; one that loads for longer is told of.
    """

    def __init__(
        self,
        ask: Mapping[str, Callable[[], Awaitable[ReplicaDescription]]],
        runs: Callable[[], Mapping[str, bool]],
        *,
        resume_s: float,
    ) -> None:
        self._ask = ask
        self._runs = runs
        self._resume_s = resume_s
        self._known: dict[str, ModelReport] = {}
        self._starting_since: dict[str, float] = {}
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self._warned_of_s = 0.0

    def latest(self) -> Mapping[str, ModelReport]:
        """Gives what is known; asks in the background when that is old."""
        if time.monotonic() - self._asked_at > _FRESH_S:
            self._start()
        return self._told()

    async def fresh(self) -> Mapping[str, ModelReport]:
        """Waits until the replicas have answered or their time is over."""
        await asyncio.shield(self._start())
        return self._told()

    def _start(self) -> "asyncio.Task[None]":
        if self._asking is None or self._asking.done():
            self._asked_at = time.monotonic()
            # Of nobody's deadline: a context of its own.
            self._asking = asyncio.create_task(self._refresh(), context=Context())
        return self._asking

    async def _refresh(self) -> None:
        running = self._runs()
        await asyncio.gather(*(self._learn(role) for role in self._ask if running.get(role)))

    async def _learn(self, role: str) -> None:
        try:
            found = await self._ask[role]()
        except GraphError:  # its slots are taken, or it has just gone: what was known stands
            return
        if found.life is None:
            return
        self._known[role] = ModelReport(
            phase=found.life.phase, phase_s=found.life.phase_s, model=found.life.model,
            failure=found.life.failure, load_s=found.life.load_s, device=found.device,
            num_gpus=found.num_gpus, memory_bytes=found.memory_bytes, adapters=found.adapters,
        )  # fmt: skip
        if role == "generator":
            self._warn_of_short_resume(found.life.load_s)

    def _warn_of_short_resume(self, load_s: float) -> None:
        """A lost generator without a second one takes so long to come back."""
        if load_s > self._resume_s and load_s != self._warned_of_s:
            self._warned_of_s = load_s
            logger.warning(
                "failover.resume_s is %g s, but the generator took %.1f s to load: answers that "
                "lose the only one of it end with an error; set resume_s above that",
                self._resume_s, load_s,
            )  # fmt: skip

    def _told(self) -> Mapping[str, ModelReport]:
        now, running = time.monotonic(), self._runs()
        told: dict[str, ModelReport] = {}
        for role in self._ask:
            if running.get(role):
                self._starting_since.pop(role, None)
                if role in self._known:
                    told[role] = self._known[role]
            else:
                since = self._starting_since.setdefault(role, now)
                told[role] = ModelReport(phase="starting", phase_s=round(now - since, 3))
        return told
