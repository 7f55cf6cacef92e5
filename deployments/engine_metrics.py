"""The metrics of a generator's engine: how full it is, and how fast.

Ray exports them as `ray_ragfleet_engine_*`, counters with `_total`, with the labels `deployment`,
`replica` and `application`, and `model`, the id of the loaded model.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ray.serve import metrics

from models.engines.measuring import Activity
from models.generation import EngineStats

PERIOD_S = 5.0  # between two readings

_FIRST_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_TOKEN_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 1.0, 2.5)

GAUGES: Mapping[str, str] = {
    "running_requests": "Requests that are decoded.",
    "waiting_requests": "Requests that wait for a slot or for room in the KV cache.",
    "running_tokens": "Tokens of prompts and answers of the streams that have begun.",
    "waiting_tokens": "Tokens of the prompts whose first token has not come.",
    "cache_use": "Share of the KV cache that requests hold, 0 to 1.",
}
COUNTERS: Mapping[str, str] = {
    "prompt_tokens": "Tokens of the prompts whose first token came.",
    "generated_tokens": "Tokens written.",
    "prefix_asked_tokens": "Tokens of prompts that were looked up in the prefix cache.",
    "prefix_found_tokens": "Those of them that were there.",
    "preemptions": "Times that a request gave its cache to another one and began anew.",
    "drafted_tokens": "Tokens that speculative decoding drafted.",
    "accepted_tokens": "Those of them that the model would have written.",
}
HISTOGRAMS: Mapping[str, tuple[str, tuple[float, ...]]] = {
    "first_token_seconds": ("From the engine's question to its first token.", _FIRST_S),
    "token_seconds": ("Time of one more token.", _TOKEN_S),
}
_NONE = EngineStats(
    num_running=0, num_waiting=0, cache_use=0.0, num_prefix_asked=0, num_prefix_found=0,
    num_preempted=0,
)  # fmt: skip


def told_name(name: str) -> str:
    """Gives the whole name of a metric."""
    return f"ragfleet_engine_{name}"


@dataclass
class EngineMetrics:
    """Records one loaded model; the metrics are made at the first record, in the replica."""

    model: str
    _made: dict[str, Any] = field(default_factory=dict)
    _last: EngineStats | None = None

    def record(self, activity: Activity) -> None:
        """Records what an engine tells of itself."""
        for name, value in _gauges(activity).items():
            self._metric(name).set(value, {"model": self.model})
        for name, value in _increments(activity, self._last).items():
            if value > 0:  # Ray refuses 0
                self._metric(name).inc(value, {"model": self.model})
        times = {
            "first_token_seconds": activity.first_token_s,
            "token_seconds": activity.token_s,
        }
        for name, values in times.items():
            for value in values:
                self._metric(name).observe(value, {"model": self.model})
        self._last = activity.engine

    def _metric(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _make(name)
        return self._made[name]


def _make(name: str) -> Any:
    if name in HISTOGRAMS:
        help_text, buckets = HISTOGRAMS[name]
        return metrics.Histogram(
            told_name(name), help_text, boundaries=list(buckets), tag_keys=("model",)
        )
    if name in COUNTERS:
        return metrics.Counter(told_name(name), COUNTERS[name], tag_keys=("model",))
    return metrics.Gauge(told_name(name), GAUGES[name], tag_keys=("model",))


def _gauges(activity: Activity) -> dict[str, float]:
    return {
        "running_requests": activity.engine.num_running,
        "waiting_requests": activity.engine.num_waiting,
        "running_tokens": activity.num_running_tokens,
        "waiting_tokens": activity.num_waiting_tokens,
        "cache_use": activity.engine.cache_use,
    }


def _increments(activity: Activity, last: EngineStats | None) -> dict[str, int]:
    """Gives what is new; the engine's own sums count since it was loaded."""
    now = activity.engine
    before = last or _NONE
    return {
        "prompt_tokens": activity.num_prompt_tokens,
        "generated_tokens": activity.num_tokens,
        "prefix_asked_tokens": now.num_prefix_asked - before.num_prefix_asked,
        "prefix_found_tokens": now.num_prefix_found - before.num_prefix_found,
        "preemptions": now.num_preempted - before.num_preempted,
        "drafted_tokens": now.num_drafted - before.num_drafted,
        "accepted_tokens": now.num_accepted - before.num_accepted,
    }
