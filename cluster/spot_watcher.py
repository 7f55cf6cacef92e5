"""From notices to one drain of one node: the part of `cluster.spot` that decides."""

import asyncio
import contextlib
import logging
import math
import os
import time
from dataclasses import dataclass
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cluster.cloud_detection import CLOUDS
from cluster.drain import DrainError, NodeState
from cluster.notices import Notice, NoticeKind, NoticeSource, event_id

RETRY_S = 1.0
_SIGTERM = "sigterm"  # a source beside the clouds
_LOOK_S = 0.5  # while the node is draining
_IDLE_LOOK_S = 5.0
_SECONDS = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0)

_logger = logging.getLogger("cluster.spot")


class DrainableNode(Protocol):
    """What the watcher needs of a Ray node; both methods may block for seconds."""

    def drain(self, message: str, deadline_s: float) -> NodeState:
        """Makes the node leave by the deadline (seconds since the epoch), or raises DrainError."""

    def state(self) -> NodeState:
        """Tells whether the node is still there, or raises DrainError."""


class NodeLostError(RuntimeError):
    """The node left the cluster though nobody said that the machine would go."""


@dataclass(frozen=True, kw_only=True)
class WatchSettings:
    """How a watcher behaves.

    Attributes:
        margin_s: Ray is told that the node goes this long before the machine does. Serve has taken
            the last replica away one or two seconds after that, so 7 leave 5 with an empty node.
        default_notice_s: time left after SIGTERM, or after a notice that names no time.
    """

    margin_s: float = 7.0
    default_notice_s: float = 30.0


class SpotMetrics:
    """The watcher's metrics in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.notices = Counter(
            "spot_notices", "Distinct notices.", ["source", "kind"], registry=registry
        )
        # 0 from the start: of a counter that begins at 1 no rate is known.
        for source in (*CLOUDS, _SIGTERM):
            for kind in NoticeKind:
                self.notices.labels(source, kind.value)
        self.notice_to_drain = Histogram(
            "spot_notice_to_drain_seconds", "From seeing a notice to the accepted drain.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.attempts = Counter(
            "spot_drain_attempts", "Drains asked of Ray.", ["outcome"], registry=registry
        )
        self.draining = Gauge(
            "spot_node_draining", "1 once Ray has accepted a drain.", registry=registry
        )
        self.drained = Gauge(
            "spot_node_drained", "1 once the drained node has left Ray.", registry=registry
        )
        self.spare = Gauge(
            "spot_drained_before_deadline_seconds", "From the node's leaving to the machine's end.",
            registry=registry,
        )  # fmt: skip
        self.metadata_up = Gauge(
            "spot_metadata_up", "1 while the metadata service answers.", registry=registry
        )


class Watcher:
    """Turns notices into one drain of one node, and sees the node out.

    Every distinct notice is counted once. The first notice that takes the machine away drains the
    node; a later one drains again only if the machine goes sooner than known.
    """

    def __init__(self, node: DrainableNode, settings: WatchSettings, metrics: SpotMetrics) -> None:
        self._node = node
        self._settings = settings
        self._metrics = metrics
        self._seen: set[tuple[str, NoticeKind]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._retrying: asyncio.Task[None] | None = None
        self._current: Notice | None = None
        self._machine_end_s = math.inf
        self._accepted = False
        self._leave_by_s = math.inf
        self._wake = asyncio.Event()

    async def run(self, source: NoticeSource) -> bool:
        """Watches until the node has left and the machine's end has come.

        Returns:
            False if the deadline of SIGTERM passed before the node left.

        Raises:
            NodeLostError: the node left without a notice.
        """
        self._metrics.metadata_up.set_function(lambda: float(source.reachable))
        self._tasks.append(asyncio.create_task(self._heed_all(source)))
        try:
            return await self._see_node_out()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def terminate(self) -> None:
        """Heeds SIGTERM: the machine goes after the default notice, and so does the watcher."""
        end_s = time.time() + self._settings.default_notice_s
        self._leave_by_s = min(self._leave_by_s, end_s, self._machine_end_s)
        self.heed(
            Notice(
                event_id=event_id("sigterm", str(os.getpid())), kind=NoticeKind.TERMINATE,
                deadline_s=end_s, source=_SIGTERM,
            )
        )  # fmt: skip
        self._wake.set()

    def heed(self, notice: Notice) -> None:
        """Acts on a notice, the first time that it comes."""
        key = (notice.event_id, notice.kind)
        if key in self._seen:
            return
        self._seen.add(key)
        self._forget_the_opposite(notice)
        self._metrics.notices.labels(notice.source, notice.kind.value).inc()
        _logger.warning(
            "notice source=%s kind=%s deadline=%s event_id=%.12s",
            notice.source, notice.kind.value, notice.deadline_s, notice.event_id,
        )  # fmt: skip
        match notice.kind:
            case NoticeKind.TERMINATE:
                self._begin_drain(notice)
            case NoticeKind.CANCELLED:
                self._take_back(notice)
            case NoticeKind.REBALANCE:
                pass

    def _forget_the_opposite(self, notice: Notice) -> None:
        """Lets an event that was taken back come again, and be taken back again."""
        for kind in {NoticeKind.TERMINATE, NoticeKind.CANCELLED} - {notice.kind}:
            self._seen.discard((notice.event_id, kind))

    async def _heed_all(self, source: NoticeSource) -> None:
        async for notice in source.notices():
            self.heed(notice)

    def _begin_drain(self, notice: Notice) -> None:
        end_s = notice.deadline_s
        if end_s is None:
            end_s = time.time() + self._settings.default_notice_s
        if end_s >= self._machine_end_s:
            _logger.info("already draining for an earlier deadline")
            return
        if self._retrying is not None:
            self._retrying.cancel()
        self._current, self._machine_end_s = notice, end_s
        self._retrying = asyncio.create_task(self._drain(notice, end_s))
        self._tasks.append(self._retrying)
        self._wake.set()

    def _take_back(self, notice: Notice) -> None:
        if self._current is None or self._current.event_id != notice.event_id:
            return
        if self._accepted:
            _logger.warning("cancelled too late: Ray has no way to end a drain")
        elif self._retrying is not None:
            self._retrying.cancel()
            self._current, self._machine_end_s = None, math.inf

    async def _drain(self, notice: Notice, end_s: float) -> None:
        """Asks Ray each second until it accepts."""
        seen_s = time.monotonic()
        message = f"spot notice from {notice.source}"
        while True:
            if await self._try_drain(message, end_s - self._settings.margin_s):
                break
            await asyncio.sleep(RETRY_S)
        elapsed_s = time.monotonic() - seen_s
        self._accepted = True
        self._metrics.notice_to_drain.observe(elapsed_s)
        self._metrics.draining.set(1)
        _logger.warning("drain accepted latency_ms=%.0f", elapsed_s * 1000)
        self._wake.set()

    async def _try_drain(self, message: str, deadline_s: float) -> bool:
        try:
            await asyncio.to_thread(self._node.drain, message, max(deadline_s, time.time()))
        except DrainError as err:
            self._metrics.attempts.labels(err.code).inc()
            _logger.warning("drain failed, trying again in %s s: %s", RETRY_S, err)
            return False
        self._metrics.attempts.labels("accepted").inc()
        return True

    async def _see_node_out(self) -> bool:
        told = False
        while True:
            gone = await self._is_gone()
            if gone and not told:
                self._tell_gone()
                told = True
            if gone and (self._leave_by_s < math.inf or time.time() >= self._machine_end_s):
                return True
            if time.time() >= self._leave_by_s:
                _logger.error("the node is not empty at the deadline")
                return False
            self._raise_failures()
            await self._pause(_IDLE_LOOK_S if self._current is None else _LOOK_S)

    async def _is_gone(self) -> bool:
        try:
            return await asyncio.to_thread(self._node.state) is NodeState.GONE
        except DrainError as err:
            _logger.debug("cannot see the node: %s", err)
            return False

    def _tell_gone(self) -> None:
        if self._current is None:
            msg = "the node left the cluster without a notice"
            raise NodeLostError(msg)
        spare_s = self._machine_end_s - time.time()
        self._metrics.drained.set(1)
        self._metrics.spare.set(spare_s)
        _logger.warning("node left spare_s=%.1f", spare_s)

    def _raise_failures(self) -> None:
        for task in self._tasks:
            if task.done() and not task.cancelled():
                task.result()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), seconds)
        self._wake.clear()
