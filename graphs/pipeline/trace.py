"""What is known of one request: its stages in time, what was left out, the tokens it cost.

    check_question  |-----|
    condense        |--|
    retrieve           |---|
    generate                |-------------|
    check_answer                 |-|  |-|

Replies (`Server-Timing`, `rag.debug`), the log line and the metrics all read this one trace.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from graphs.caller import DEFAULT_CALLER, Caller
from graphs.deadline import time_left_s
from graphs.pipeline.events import Generated, StageTime

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Span:
    """One run of a stage, in milliseconds since the request began."""

    stage: str
    start_ms: float
    end_ms: float


class Trace:
    """Collects the spans of one request; stages may overlap and run several times.

    As a context manager it spans the request, and learns of the error that ends it.

    Attributes:
        request_id: the `x-request-id` of the HTTP request.
        outcome: how the request ended: `answered`, `declined`, `refused`, or the code of its error;
            `cancelled` until then, since a client may leave at any time.
        num_passages: how many the generator was given.
        queries: what a search without an answer looked for.
        caller: who asks.
        once: names an answer that may be made again, and is to be paid once (UsageRecord).
        documents: ids of the files whose passages were read.
    """

    def __init__(self, request_id: str, caller: Caller = DEFAULT_CALLER, *, once: str = "") -> None:
        self.request_id = request_id
        self.caller = caller
        self.once = once
        self.documents: tuple[str, ...] = ()
        self.outcome = "cancelled"
        self.num_passages = 0
        self.queries: tuple[str, ...] = ()
        self._began = time.perf_counter()
        self._spans: list[Span] = []
        self._degraded: list[str] = []
        self._generated: list[Generated] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        err: BaseException | None,
        _at: TracebackType | None,
    ) -> None:
        if isinstance(err, Exception):
            self.outcome = str(getattr(err, "code", "server_error"))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what is inside, also when it fails."""
        start_ms = self._now_ms()
        try:
            yield
        finally:
            self._spans.append(Span(stage=name, start_ms=start_ms, end_ms=self._now_ms()))

    def degrade(self, stage: str) -> None:
        """Notes that a stage was left out; once, however often."""
        if stage not in self._degraded:
            self._degraded.append(stage)

    def allows(self, stage: str, needed_s: float) -> bool:
        """Says whether the request has time for a stage, and notes it when it has not."""
        if time_left_s() >= needed_s:
            return True
        self.degrade(stage)
        return False

    def count(self, generated: Generated) -> None:
        """Notes what a generation cost, whether its text was used or not."""
        self._generated.append(generated)

    @property
    def spans(self) -> tuple[Span, ...]:
        """Every run of a stage, in the order of their ends."""
        return tuple(self._spans)

    @property
    def times(self) -> tuple[StageTime, ...]:
        """How long each stage took in all, in the order of their first ends."""
        sums: dict[str, float] = {}
        for span in self._spans:
            sums[span.stage] = sums.get(span.stage, 0.0) + span.end_ms - span.start_ms
        return tuple(
            StageTime(stage=stage, latency_ms=round(sum_ms, 2)) for stage, sum_ms in sums.items()
        )

    @property
    def degraded(self) -> tuple[str, ...]:
        """The stages that were left out."""
        return tuple(self._degraded)

    @property
    def generated(self) -> tuple[Generated, ...]:
        """What each generation cost, in the order of their ends."""
        return tuple(self._generated)

    @property
    def num_migrations(self) -> int:
        """How often a generation went on at another replica."""
        return sum(one.num_migrations for one in self._generated)

    def _now_ms(self) -> float:
        return 1000 * (time.perf_counter() - self._began)


def log_trace(trace: Trace) -> None:
    """Writes one line about a request, however it ended. No text of a user stands in it."""
    logger.info(
        "%s request_id=%s num_passages=%d degraded=%s num_migrations=%d latency_ms=%s",
        trace.outcome,
        trace.request_id,
        trace.num_passages,
        ",".join(trace.degraded) or "-",
        trace.num_migrations,
        {time.stage: time.latency_ms for time in trace.times},
    )
