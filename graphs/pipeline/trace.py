"""What is known of one request: its stages in time, what was left out, the tokens it cost.

    check_question  |-----|
    condense        |--|
    retrieve           |---|
    generate                |-------------|
    check_answer                 |-|  |-|

Replies (`Server-Timing`, `rag.debug`), the log line, the metrics and `graphs.explain` all read this
one trace. Where OpenTelemetry is set up (deployments/observing/spans.py), every stage is a span of
it, too, below that of the request; calls of models made within become its children.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Literal, Self

from opentelemetry import trace as otel
from opentelemetry.trace import StatusCode

from graphs.caller import DEFAULT_CALLER, Caller
from graphs.deadline import time_left_s
from graphs.findings import Findings
from graphs.pipeline.events import Generated, Span, StageTime

logger = logging.getLogger(__name__)

_tracer = otel.get_tracer("ragfleet")
# What OpenTelemetry's conventions for generative AI call who answers, and what is asked.
PROVIDER = "ragfleet"
GEN_AI_OPERATIONS: Mapping[str, str] = {"chat": "chat", "search": "retrieval"}
_OF_OPERATION = {
    ours: {"gen_ai.operation.name": theirs, "gen_ai.provider.name": PROVIDER}
    for ours, theirs in GEN_AI_OPERATIONS.items()
}
_REQUEST_ID = "ragfleet.request_id"
# The stage that runs: those that it calls stand below it.
_stage: ContextVar[int | None] = ContextVar("stage", default=None)


class Trace:
    """Collects the spans of one request; stages may overlap and run several times.

    As a context manager it spans the request, and learns of the error that ends it.

    Attributes:
        request_id: the `x-request-id` of the HTTP request.
        outcome: how the request ended: `answered`, `declined`, `refused`, or the code of its error;
            `cancelled` until then, since a client may leave at any time.
        num_passages: how many the generator was given.
        queries: what a search without an answer looked for.
        operation: a `chat`, or a `search` without an answer.
        began_at: in seconds since 1970.
        first_token_ms: when the first checked piece of the answer went out; None: none did.
        latency_ms: how long it all took; 0 until it has ended.
        findings: what it came upon.
        caller: who asks.
        once: names an answer that may be made again, and is to be paid once (UsageRecord).
        in_batch: whether it is a line of a batch.
        adapter: the generator's LoRA adapter that was asked for; empty: the generator itself.
        documents: ids of the files whose passages were read.
        writer: the generator that wrote the answer; empty: none did, or there is but one.
        model: the id of its model, likewise.
    """

    def __init__(
        self,
        request_id: str,
        operation: Literal["chat", "search"] = "search",
        caller: Caller = DEFAULT_CALLER,
        *,
        once: str = "",
        in_batch: bool = False,
    ) -> None:
        self.request_id = request_id
        self.operation = operation
        self.caller = caller
        self.once = once
        self.in_batch = in_batch
        self.adapter = ""
        self.writer = self.model = ""
        self.documents: tuple[str, ...] = ()
        self.outcome = "cancelled"
        self.num_passages = 0
        self.queries: tuple[str, ...] = ()
        self.began_at = time.time()
        self.first_token_ms: float | None = None
        self.latency_ms = 0.0
        self.findings = Findings()
        self._began = time.perf_counter()
        self._root = _tracer.start_span(
            f"rag.{operation}", attributes=_OF_OPERATION[operation] | {_REQUEST_ID: request_id}
        )
        self._num_begun = 0
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
            self.outcome = code_of(err)
        self.latency_ms = self._now_ms()
        self._end_root()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what is inside, also when it fails. Nothing may be yielded from within."""
        start_ms, above = self._now_ms(), _stage.get()
        number = self._num_begun
        self._num_begun += 1
        set_before = _stage.set(number)
        # Below the stage around it, which is the current span; else below the request.
        context = None if above is not None else otel.set_span_in_context(self._root)
        error = ""
        # Messages of errors stay out of spans: some hold what a user wrote.
        with _tracer.start_as_current_span(
            name, context, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as err:
                error = code_of(err)
                _end_badly(span, error)
                raise
            finally:
                _stage.reset(set_before)
                self._spans.append(
                    Span(
                        stage=name, start_ms=start_ms, end_ms=self._now_ms(), number=number,
                        above=above, error=error,
                    )
                )  # fmt: skip

    def give(self, chunk_ids: Sequence[int], room: int) -> None:
        """Notes the passages that the generator is given, and the tokens they could take."""
        self.num_passages = len(chunk_ids)
        self.findings.given, self.findings.num_prompt_room = tuple(chunk_ids), room

    def first_token(self) -> None:
        """Notes that a piece of the answer goes out."""
        if self.first_token_ms is None:
            self.first_token_ms = self._now_ms()

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
    def is_reranked(self) -> bool:
        """Whether the passages have the scores of the reranker: it was asked, and not left out."""
        was_asked = any(one.stage == "rerank" for one in self._spans)
        return was_asked and "rerank" not in self._degraded

    @property
    def generated(self) -> tuple[Generated, ...]:
        """What each generation cost, in the order of their ends."""
        return tuple(self._generated)

    @property
    def num_migrations(self) -> int:
        """How often a generation went on at another replica."""
        return sum(one.num_migrations for one in self._generated)

    @property
    def trace_id(self) -> str:
        """The id of the OpenTelemetry trace, 32 hexadecimal digits; empty where there is none."""
        context = self._root.get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else ""

    @property
    def is_sampled(self) -> bool:
        """Whether its spans are sent."""
        return self._root.is_recording()

    def describe(self, attributes: Mapping[str, str | Sequence[str]]) -> None:
        """Puts attributes into the span of the request; texts only where that was asked for."""
        self._root.set_attributes(attributes)

    def _end_root(self) -> None:
        root = self._root
        if root.is_recording():
            root.set_attribute("ragfleet.outcome", self.outcome)
            root.set_attribute("ragfleet.num_passages", self.num_passages)
            root.set_attribute("ragfleet.num_migrations", self.num_migrations)
            for kind, count in (
                ("input", sum(one.num_prompt_tokens for one in self._generated)),
                ("output", sum(one.num_completion_tokens for one in self._generated)),
            ):
                root.set_attribute(f"gen_ai.usage.{kind}_tokens", count)
            if self.model:
                root.set_attribute("gen_ai.response.model", self.model)
            if self.outcome not in ENDS:
                _end_badly(root, self.outcome)
        root.end()

    def _now_ms(self) -> float:
        return 1000 * (time.perf_counter() - self._began)


# How requests end that no error ends; the other outcomes are codes of errors.
ENDS = ("answered", "declined", "refused", "cancelled")


def _end_badly(span: otel.Span, code: str) -> None:
    span.set_status(StatusCode.ERROR, code)
    span.set_attribute("error.type", code)


def code_of(err: BaseException) -> str:
    """Names the kind of an error, of which there are few."""
    return str(getattr(err, "code", None) or "server_error")


def log_trace(trace: Trace) -> None:
    """Writes one line about a request, however it ended, and at DEBUG one about each stage.

    No text of a user stands in it. Lines in JSON have the fields under their own names.
    """
    fields = {
        "request_id": trace.request_id,
        "num_passages": trace.num_passages,
        "degraded": ",".join(trace.degraded) or "-",
        "num_migrations": trace.num_migrations,
        "writer": trace.writer or "-",
        "latency_ms": {time.stage: time.latency_ms for time in trace.times},
    }
    shown = " ".join(f"{name}={value}" for name, value in fields.items())
    more = {
        "operation": trace.operation, "outcome": trace.outcome, "trace_id": trace.trace_id,
        "total_ms": round(trace.latency_ms, 2), "first_token_ms": trace.first_token_ms,
        "num_prompt_tokens": sum(one.num_prompt_tokens for one in trace.generated),
        "num_completion_tokens": sum(one.num_completion_tokens for one in trace.generated),
    }  # fmt: skip
    logger.info("%s %s", trace.outcome, shown, extra=fields | more)
    if logger.isEnabledFor(logging.DEBUG):
        for span in trace.spans:
            logger.debug(
                "stage=%s request_id=%s start_ms=%.2f latency_ms=%.2f error=%s",
                span.stage, trace.request_id, span.start_ms, span.latency_ms, span.error or "-",
                extra={
                    "request_id": trace.request_id, "stage": span.stage,
                    "start_ms": round(span.start_ms, 2), "latency_ms": round(span.latency_ms, 2),
                    "error": span.error,
                },
            )  # fmt: skip
