"""What is done with the trace of every request when it ends: a line, metrics, and a place here."""

from collections.abc import Callable

from graphs.observing.record import RecentRequests
from graphs.observing.request_metrics import Recorder, record_trace
from graphs.observing_settings import ObservingSettings
from graphs.pipeline.trace import Trace, log_trace


class Observer:
    """Watches the requests of one Gateway.

    Args:
        others: who else sees each of them.

    Attributes:
        recent: its last requests.
    """

    def __init__(
        self,
        settings: ObservingSettings,
        recorder: Recorder,
        replica: str = "",
        *others: Callable[[Trace], None],
    ) -> None:
        self.recent = RecentRequests(settings, replica)
        self._settings = settings
        self._recorder = recorder
        self._others = others

    def __call__(self, trace: Trace) -> None:
        """Takes a request that has ended, however it ended."""
        log_trace(trace)
        record_trace(trace, self._recorder, self._settings)
        self.recent.keep(trace)
        for other in self._others:
            other(trace)
