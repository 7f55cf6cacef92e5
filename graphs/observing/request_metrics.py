"""The metrics of a request, read from its trace when it ends."""

from typing import Protocol

from graphs.pipeline.trace import ENDS, Trace
from graphs.settings import ObservingSettings

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
        gen_ai_operation_name=trace.operation,
        error_type="" if trace.outcome in ENDS else trace.outcome,
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
                record("gen_ai_client_token_usage", count, gen_ai_token_type=kind)
        cost = counts["input"] * prices.input + counts["output"] * prices.output
        record("ragfleet_cost", cost / _MILLION, currency=prices.currency)
    record("ragfleet_migrations", trace.num_migrations)


def _record_answer(trace: Trace, recorder: Recorder) -> None:
    record, name = recorder.record, trace.operation
    if trace.first_token_ms is not None:
        record(
            "gen_ai_server_time_to_first_token_seconds", trace.first_token_ms / 1000,
            gen_ai_operation_name=name,
        )  # fmt: skip
    written = sum(one.num_completion_tokens for one in trace.generated if one.stage == "generate")
    generating_ms = sum(span.latency_ms for span in trace.spans if span.stage == "generate")
    if written:
        record(
            "gen_ai_server_time_per_output_token_seconds", generating_ms / 1000 / written,
            gen_ai_operation_name=name,
        )  # fmt: skip
    findings = trace.findings
    if findings.best_score is not None:
        record("ragfleet_retrieval_score", findings.best_score, scorer="reranker")
    if findings.best_found is not None:
        record("ragfleet_retrieval_score", max(findings.best_found, 0.0), scorer="cosine")
    if trace.outcome == "answered" and findings.searches:
        record("ragfleet_passages_given", trace.num_passages)
    for flagged in findings.flagged:
        for category in flagged.categories:
            record("ragfleet_refusals", 1, what=flagged.what, category=category)
