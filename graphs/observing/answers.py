"""How the last answers of this Gateway went; no text of them."""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphs.pipeline.trace import Trace

_MAX_ANSWERS = 50
_RATE_S = 60
WINDOW_S = 300  # over which it is counted how answers end


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


@dataclass
class _Second:
    """What ended in one second, however much that was."""

    at: int
    tokens: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


class RecentAnswers:
    """Remembers how the last answers of this Gateway went, and counts all of the last minutes.

    Args:
        now: gives the time, in seconds since 1970.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._answers: deque[AnswerState] = deque(maxlen=_MAX_ANSWERS)
        self._seconds: deque[_Second] = deque(maxlen=WINDOW_S)  # oldest first

    def add(self, trace: Trace) -> None:
        """Takes note of a request that has ended."""
        ended_at = self._now()
        tokens = sum(one.num_completion_tokens for one in trace.generated)
        self._answers.appendleft(
            AnswerState(
                request_id=trace.request_id,
                tenant=trace.caller.tenant,
                ended_at=ended_at,
                outcome=trace.outcome,
                latency_ms=round(max((span.end_ms for span in trace.spans), default=0.0), 1),
                tokens=tokens,
                passages=trace.num_passages,
                migrations=trace.num_migrations,
                degraded=trace.degraded,
            )
        )
        if not self._seconds or self._seconds[-1].at != int(ended_at):
            self._seconds.append(_Second(int(ended_at)))
        self._seconds[-1].tokens += tokens
        self._seconds[-1].outcomes[trace.outcome] += 1

    def latest(self) -> tuple[AnswerState, ...]:
        """Gives them, newest first."""
        return tuple(self._answers)

    def outcomes(self) -> Mapping[str, int]:
        """How many answers of the last five minutes ended in which way."""
        since = self._now() - WINDOW_S
        recent = (one.outcomes for one in self._seconds if one.at > since)
        return sum(recent, Counter[str]())

    def tokens_per_s(self) -> float:
        """Tokens that were written in a second of the last minute."""
        since = self._now() - _RATE_S
        return sum(one.tokens for one in self._seconds if one.at > since) / _RATE_S
