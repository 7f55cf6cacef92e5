"""The metrics of a request, read from its trace when it ends."""

from collections.abc import Callable, Mapping
from typing import Protocol

from graphs.observing_settings import ObservingSettings
from graphs.pipeline.trace import ENDS, GEN_AI_OPERATIONS, PROVIDER, Trace

_MILLION = 1_000_000


class Recorder(Protocol):
    """Records metrics: `deployments.observing.metrics.Meter`."""

    def record(self, name: str, value: float, **labels: str) -> None:
        """Records one value of a metric."""
        ...


def record_trace(trace: Trace, recorder: Recorder, settings: ObservingSettings) -> None:
    """Records all that the metrics tell of one request."""
    record = recorder.record
    record("ragfleet_requests", 1, operation=trace.operation, outcome=trace.outcome)
    record(
        "gen_ai_server_request_duration_seconds", trace.latency_ms / 1000,
        error_type="" if trace.outcome in ENDS else trace.outcome, **_gen_ai(trace),
    )  # fmt: skip
    for span in trace.spans:
        record("ragfleet_stage_duration_seconds", span.latency_ms / 1000, stage=span.stage)
        if span.error:
            record("ragfleet_stage_errors", 1, stage=span.stage, error_type=span.error)
    for stage in trace.degraded:
        record("ragfleet_degraded", 1, stage=stage)
    if trace.writer:
        record("ragfleet_written_answers", 1, writer=trace.writer)
    _record_tokens(trace, recorder, settings)
    _record_answer(trace, recorder)


def _record_tokens(trace: Trace, recorder: Recorder, settings: ObservingSettings) -> None:
    record, prices = recorder.record, settings.prices
    for one in trace.generated:
        counts = {"input": one.num_prompt_tokens, "output": one.num_completion_tokens}
        for kind, count in counts.items():
            record("ragfleet_tokens", count, type=kind, stage=one.stage)
            if one.stage == "generate" and count:
                record("gen_ai_client_token_usage", count, gen_ai_token_type=kind, **_gen_ai(trace))
        own = prices.of(one.writer)
        cost = counts["input"] * own.input + counts["output"] * own.output
        record("ragfleet_cost", cost / _MILLION, currency=prices.currency)
    record("ragfleet_migrations", trace.num_migrations)


def _record_answer(trace: Trace, recorder: Recorder) -> None:
    record = recorder.record
    if trace.first_token_ms is not None:
        record(
            "gen_ai_server_time_to_first_token_seconds", trace.first_token_ms / 1000,
            **_gen_ai(trace),
        )  # fmt: skip
    for one in trace.generated:
        num_later = one.num_completion_tokens - 1
        if one.stage == "generate" and num_later > 0 and trace.outcome in ENDS:
            record(
                "gen_ai_server_time_per_output_token_seconds", one.decoding_ms / 1000 / num_later,
                **_gen_ai(trace),
            )  # fmt: skip
    _record_evidence(trace, record)


def _gen_ai(trace: Trace) -> Mapping[str, str]:
    """What OpenTelemetry's conventions want to know of every one."""
    return {
        "gen_ai_operation_name": GEN_AI_OPERATIONS[trace.operation],
        "gen_ai_provider_name": PROVIDER,
    }


def _record_evidence(trace: Trace, record: Callable[..., None]) -> None:
    findings = trace.findings
    store = findings.best_store
    for scorer, score in (("reranker", findings.best_score), ("cosine", findings.best_found)):
        if score is not None:
            record("ragfleet_retrieval_score", max(score, 0.0), scorer=scorer, store=store)
    if trace.outcome == "answered" and findings.searches:
        record("ragfleet_passages_given", trace.num_passages, store=store)
    for flagged in findings.flagged:
        for category in flagged.categories:
            record("ragfleet_refusals", 1, what=flagged.what, category=category)
