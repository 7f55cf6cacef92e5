"""What is kept of a request that has ended, and the last of them, in memory."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from graphs.findings import Findings
from graphs.observing_settings import ObservingSettings
from graphs.pipeline.events import Generated, Span
from graphs.pipeline.trace import Trace


@dataclass(frozen=True, kw_only=True)
class RequestRecord:
    """One request; see `graphs.pipeline.trace.Trace`.

    Attributes:
        trace_id: of OpenTelemetry; empty where it is not set up.
        replica: names the Gateway that answered.
    """

    request_id: str
    operation: str
    outcome: str
    began_at: float
    latency_ms: float
    first_token_ms: float | None
    num_passages: int
    degraded: tuple[str, ...]
    spans: tuple[Span, ...]
    generated: tuple[Generated, ...]
    findings: Findings
    trace_id: str = ""
    replica: str = ""


_JSON = TypeAdapter(RequestRecord)


def to_json(record: RequestRecord) -> Mapping[str, Any]:
    """Writes a record as what JSON knows."""
    written: Mapping[str, Any] = _JSON.dump_python(record, mode="json")
    return written


def from_json(value: Any) -> RequestRecord:
    """Reads what `to_json` wrote.

    Raises:
        pydantic.ValidationError: it is something else.
    """
    return _JSON.validate_python(value)


class RecentRequests:
    """The last requests of one Gateway, by their ids; the oldest go first."""

    def __init__(self, settings: ObservingSettings, replica: str = "") -> None:
        self._keeps_texts = settings.recent_texts
        self._replica = replica
        self._kept: deque[Trace] = deque(maxlen=settings.recent_requests)

    @property
    def size(self) -> int:
        """Of how many requests it keeps at most."""
        return self._kept.maxlen or 0

    def keep(self, trace: Trace) -> None:
        """Takes a request that has ended."""
        if not self._keeps_texts:
            trace.findings = without_texts(trace.findings)
        self._kept.append(trace)

    def find(self, request_id: str, tenant: str, since: float = 0.0) -> RequestRecord | None:
        """Gives the tenant's newest request of this id; None when there is none any more.

        Clients choose ids, so several tenants may have the same one. What began before `since`
        (seconds since 1970) was another tenant's, which has ended.
        """
        wanted = (request_id, tenant)
        found = (
            one for one in reversed(self._kept) if (one.request_id, one.caller.tenant) == wanted
        )
        trace = next((one for one in found if one.began_at >= since), None)
        return record_of(trace, self._replica) if trace else None


def record_of(trace: Trace, replica: str = "") -> RequestRecord:
    """Gives what is kept of a trace."""
    return RequestRecord(
        request_id=trace.request_id,
        operation=trace.operation,
        outcome=trace.outcome,
        began_at=trace.began_at,
        latency_ms=trace.latency_ms,
        first_token_ms=trace.first_token_ms,
        num_passages=trace.num_passages,
        degraded=trace.degraded,
        spans=trace.spans,
        generated=trace.generated,
        findings=trace.findings,
        trace_id=trace.trace_id,
        replica=replica,
    )


def without_texts(findings: Findings) -> Findings:
    """Gives the same without words of users or documents."""
    searches = [
        replace(
            one, queries=("",) * len(one.queries), hits=tuple(replace(h, text="") for h in one.hits)
        )
        for one in findings.searches
    ]
    rankings = [
        replace(one, question="", scored=tuple(replace(s, text="") for s in one.scored))
        for one in findings.rankings
    ]
    parts = [
        replace(
            one, question="", units=tuple(replace(s, text="") for s in one.units),
            chosen="..." if one.chosen else "",
        )
        for one in findings.parts
    ]  # fmt: skip
    return replace(findings, searches=searches, rankings=rankings, parts=parts)
