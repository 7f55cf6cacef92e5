"""How the last answers of this Gateway went; no text of them."""

import time
from collections import deque
from dataclasses import dataclass

from graphs.pipeline.trace import Trace

_MAX_ANSWERS = 50
_RATE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class AnswerState:
    """How one answer of this Gateway went; only its tenant is told."""

    request_id: str
    tenant: str
    ended_at: float
    outcome: str
    latency_ms: float
    tokens: int
    passages: int
    migrations: int
    degraded: tuple[str, ...]


class RecentAnswers:
    """Remembers how the last answers of this Gateway went."""

    def __init__(self) -> None:
        self._answers: deque[AnswerState] = deque(maxlen=_MAX_ANSWERS)

    def add(self, trace: Trace) -> None:
        """Takes note of a request that has ended."""
        self._answers.appendleft(
            AnswerState(
                request_id=trace.request_id,
                tenant=trace.caller.tenant,
                ended_at=time.time(),
                outcome=trace.outcome,
                latency_ms=round(max((span.end_ms for span in trace.spans), default=0.0), 1),
                tokens=sum(one.num_completion_tokens for one in trace.generated),
                passages=trace.num_passages,
                migrations=trace.num_migrations,
                degraded=trace.degraded,
            )
        )

    def latest(self) -> tuple[AnswerState, ...]:
        """Gives them, newest first."""
        return tuple(self._answers)

    def tokens_per_s(self) -> float:
        """Tokens that were written in a second of the last minute."""
        since = time.time() - _RATE_S
        return sum(one.tokens for one in self._answers if one.ended_at > since) / _RATE_S
