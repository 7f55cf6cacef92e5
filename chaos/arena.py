"""What every scenario needs: the system, its load, and the waiting for what must come."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from chaos import processes
from chaos.errors import ChaosError, TargetError
from chaos.load import ChatCall, Load, chat_calls
from chaos.probe import Probe
from chaos.report import Fault, Report
from chaos.target import Replica, System

MODELS = ("Embedder", "Reranker", "SafetyFilter", "Generator", "Retriever")
_POLL_S = 0.5
_RECOVERY_S = 180.0
_ANSWER_S = 30.0
_NUM_FILES = 12
_STORE = "chaos"


class NodeKeeper(Protocol):
    """Starts nodes; whoever runs the system knows how."""

    def replace_node(self, node_id: str) -> None:
        """Starts a node in place of one that is gone."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large a run is.

    Attributes:
        num_requests: requests, or streams, in all.
        rate: requests a second, on average.
        max_tokens: length of each answer.
        num_faults: faults in all, or in each wave of streams.
        num_passages: passages of the store that is searched.
    """

    num_requests: int
    rate: float
    max_tokens: int
    num_faults: int = 1
    num_passages: int = 0


@dataclass(kw_only=True)
class Arena:
    """A system under attack.

    Attributes:
        seed: decides what is asked, when, and whom a fault hits.
        keeper: starts nodes anew; None where no scenario may take one away.
        node_id: the node that is to be hit; None: chance decides.
        deployment: the deployment whose replicas are to be hit.
        on_progress: told how many requests of how many have ended.
    """

    system: System
    seed: int
    probe: Probe | None = None
    keeper: NodeKeeper | None = None
    node_id: str | None = None
    deployment: str = "Generator"
    on_progress: Callable[[str, int, int], None] = lambda *_: None
    chance: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Begins the chance anew."""
        self.chance = random.Random(self.seed)

    def calls(self, size: Size, model: str = "generator") -> list[ChatCall]:
        """Makes the requests of a run."""
        return chat_calls(
            seed=self.seed, count=size.num_requests, rate=size.rate, max_tokens=size.max_tokens,
            model=model,
        )  # fmt: skip

    async def control(
        self, report: Report, calls: Sequence[ChatCall], load: Load | None = None
    ) -> None:
        """Runs the load undisturbed; chats, unless another load is given.

        Raises:
            ChaosError: a request failed though nothing was done to the system.
        """
        load = load or Load(self.system.url)
        report.control = await load.run(calls, self._counter("quiet run", load, len(calls)))
        failed = [outcome for outcome in report.control if not outcome.succeeded]
        if failed:
            first = f"{failed[0].key}: {failed[0].failure}"
            msg = f"{len(failed)} of {len(calls)} requests failed in the quiet run, {first}"
            raise ChaosError(msg)

    async def attack(
        self,
        report: Report,
        calls: Sequence[ChatCall],
        faults: Callable[[Load], Awaitable[None]],
        load: Load | None = None,
    ) -> None:
        """Runs the load and the faults at once; a fault that is not proven ends both."""
        load = load or Load(self.system.url)
        before = await self._num_resumed()
        try:
            async with asyncio.TaskGroup() as group:
                on_end = self._counter("under attack", load, len(calls))
                running = group.create_task(load.run(calls, on_end))
                watching = group.create_task(self._watch_resumed(running, before, report))
                group.create_task(_in_order(faults, load))
        except ExceptionGroup as errors:
            raise _first(errors) from None
        await watching
        report.run = running.result()
        ended_s = max(outcome.ended_s for outcome in report.run)
        amid = [fault.target for fault in report.faults if fault.at_s < ended_s]
        report.check("proven faults amid the load", bool(amid), len(amid))

    def _counter(self, label: str, load: Load, count: int) -> Callable[[], None]:
        def count_end() -> None:
            ended = len(load.outcomes) - load.num_running
            self.on_progress(label, ended, count)

        return count_end

    async def _watch_resumed(
        self, running: "asyncio.Task[object]", before: Mapping[int, int], report: Report
    ) -> None:
        """Adds up the streams that went on elsewhere; the counts of killed replicas stay known."""
        if self.probe is None:
            return
        known: dict[int, int] = {}
        while True:
            known |= await self._num_resumed()
            report.num_migrated = sum(known.values()) - sum(
                count for pid, count in before.items() if pid in known
            )
            if running.done():
                return
            await asyncio.sleep(1.0)

    async def _num_resumed(self) -> dict[int, int]:
        if self.probe is None:
            return {}
        return {one["pid"]: one["num_resumed"] for one in await self.probe.served()}

    async def active(self) -> dict[int, set[str]]:
        """Gives which requests each generator replica writes now, by its pid."""
        return {one["pid"]: set(one["active"]) for one in await self.served()}

    async def served(self) -> list[dict[str, Any]]:
        """Gives what each generator replica has served.

        Raises:
            ChaosError: the system does not say.
        """
        deadline = time.monotonic() + _ANSWER_S
        while self.probe is not None and time.monotonic() < deadline:
            if served := await self.probe.served():
                return served
            await asyncio.sleep(_POLL_S)  # one that has just died spoils the question
        msg = "this scenario needs `served()` of the simulated generator, and none answers it"
        raise ChaosError(msg)

    async def replicas(self, deployment: str) -> tuple[Replica, ...]:
        """Gives the replicas whose processes run."""
        return await asyncio.to_thread(self.system.live_replicas, deployment)

    async def counts(self, deployments: Collection[str]) -> dict[str, int]:
        """Counts the running replicas of each deployment."""
        return await asyncio.to_thread(self.system.live_counts, deployments)

    async def until_back(self, wanted: Mapping[str, int]) -> float:
        """Waits until as many replicas run as did, and gives how long that took, in seconds.

        Raises:
            ChaosError: they do not come back.
        """
        started = time.monotonic()

        async def are_back() -> bool:
            now = await self.counts(wanted)
            return all(now[name] >= count for name, count in wanted.items())

        await until(are_back, f"the replicas {dict(wanted)} to be back", _RECOVERY_S)
        return time.monotonic() - started

    async def spot_nodes(self) -> list[str]:
        """Gives the nodes that may be taken away.

        Raises:
            TargetError: the node that was named is not one of them, or there is none.
        """
        nodes = await asyncio.to_thread(self.system.nodes)
        found = sorted(node.node_id for node in nodes if not node.is_head)
        if self.node_id is not None:
            if self.node_id not in found:
                msg = f"{self.node_id!r} is no node that may be taken away; there are {found}"
                raise TargetError(msg)
            return [self.node_id]
        if not found:
            msg = "the cluster has no node but its head"
            raise TargetError(msg)
        return found

    async def fill_corpus(self) -> str:
        """Loads a few documents, unless there is a store already; `rag` answers from them.

        Returns:
            The name of a store with documents, or its id when it has no name.
        """
        async with httpx.AsyncClient(base_url=f"{self.system.url}/v1", timeout=60) as client:
            stores = (await client.get("/vector_stores")).raise_for_status().json()["data"]
            if stores:
                return str(stores[0]["name"] or stores[0]["id"])
            words = ("port", "file", "node", "store", "answer", "question", "model", "cache")
            chance = random.Random(0)
            ids = []
            for number in range(_NUM_FILES):
                text = ". ".join(" ".join(chance.choices(words, k=7)) for _ in range(3))
                upload = {"file": (f"{number}.txt", text.encode(), "text/plain")}
                reply = await client.post("/files", data={"purpose": "assistants"}, files=upload)
                ids.append(reply.raise_for_status().json()["id"])
            made = await client.post("/vector_stores", json={"name": _STORE, "file_ids": ids})
            route = f"/vector_stores/{made.raise_for_status().json()['id']}"

            async def is_indexed() -> bool:
                counts = (await client.get(route)).raise_for_status().json()["file_counts"]
                return bool(counts["completed"] == _NUM_FILES)

            await until(is_indexed, "the corpus to be indexed", _RECOVERY_S)
            return _STORE


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


async def _in_order(faults: Callable[[Load], Awaitable[None]], load: Load) -> None:
    await faults(load)


async def until(
    condition: Callable[[], Awaitable[bool]], what: str, timeout_s: float = _RECOVERY_S
) -> None:
    """Waits for a condition.

    Raises:
        ChaosError: it does not come.
    """
    deadline = time.monotonic() + timeout_s
    while not await condition():
        if time.monotonic() > deadline:
            msg = f"waited {timeout_s} s in vain for {what}"
            raise ChaosError(msg)
        await asyncio.sleep(_POLL_S)


async def kill_replica(report: Report, load: Load, victim: Replica) -> Fault:
    """Kills a replica, and notes it with its proof.

    Raises:
        TargetError: it was gone before, or is not gone now.
    """
    await asyncio.to_thread(processes.kill, [victim.pid])
    fault = Fault(
        kind="SIGKILL", target=f"{victim.deployment} {victim.pid}", at_s=load.now_s,
        proof=f"pid {victim.pid} is gone",
    )  # fmt: skip
    report.faults.append(fault)
    return fault
