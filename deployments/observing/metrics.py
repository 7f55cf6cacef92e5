"""Every metric of ours, and the meter that records them through Ray.

Ray exports them on each node as `ray_<name>`, counters as `ray_<name>_total`, with the labels
`deployment`, `replica` and `application` beside ours. Names, labels and buckets of `gen_ai_*` are
those of OpenTelemetry's conventions (open-telemetry/semantic-conventions-genai, docs/gen-ai), but
that the time to the first token goes on to a minute. `ragfleet_engine_*` of the engines, and what
Ray and the spot watcher export, stand beside them. Every label has few values: kinds of errors,
stages, categories; of what clients name themselves (vector stores), only the first few are told
apart.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ray.serve import metrics

logger = logging.getLogger(__name__)

MAX_VALUES = 40  # of one label of one metric; what comes later is `other`
OTHER = "other"

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_S = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
    30.0, 60.0,
)  # fmt: skip
_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
_STAGE_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_TOKENS = tuple(4**power for power in range(14))  # to 67,108,864
_GEN_AI = ("gen_ai_operation_name", "gen_ai_provider_name")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes:
        labels: beside those that Ray adds.
        buckets: upper ends, of a histogram.
    """

    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def exported(self, name: str) -> str:
        """The name under which Prometheus finds it, of a histogram without `_bucket`."""
        return f"ray_{name}_total" if self.kind == "counter" else f"ray_{name}"


METRICS: Mapping[str, Metric] = {
    "gen_ai_server_request_duration_seconds": Metric(
        kind="histogram", labels=(*_GEN_AI, "error_type"), buckets=_SECONDS,
        help="A chat or a retrieval, from its start in the pipeline to its end; error_type is "
        "empty where none ended it.",
    ),
    "gen_ai_server_time_to_first_token_seconds": Metric(
        kind="histogram", labels=_GEN_AI, buckets=_FIRST_S,
        help="To the first checked piece of an answer.",
    ),
    "gen_ai_server_time_per_output_token_seconds": Metric(
        kind="histogram", labels=_GEN_AI, buckets=_TOKEN_S,
        help="From the first token of an answer to its last, by the tokens after the first; 0 "
        "where all come at once, as a quote does.",
    ),
    "gen_ai_client_token_usage": Metric(
        kind="histogram", labels=(*_GEN_AI, "gen_ai_token_type"), buckets=_TOKENS,
        help="Tokens of one generation, input and output.",
    ),
    "ragfleet_requests": Metric(
        kind="counter", labels=("operation", "outcome"),
        help="Chats and searches by their ends: answered, declined, refused, cancelled, or the "
        "code of an error.",
    ),
    "ragfleet_tokens": Metric(
        kind="counter", labels=("type", "stage"),
        help="Tokens read (input) and written (output), by what they were for.",
    ),
    "ragfleet_cost": Metric(
        kind="counter", labels=("currency",),
        help="What the tokens cost by `observing.prices` of the Gateway's settings.",
    ),
    "ragfleet_stage_duration_seconds": Metric(
        kind="histogram", labels=("stage",), buckets=_STAGE_S, help="One run of a stage."
    ),
    "ragfleet_stage_errors": Metric(
        kind="counter", labels=("stage", "error_type"), help="Runs of stages that an error ended."
    ),
    "ragfleet_retrieval_score": Metric(
        kind="histogram", labels=("scorer", "store"), buckets=_SHARES,
        help="Best relevance of a request, of the reranker or as the cosine of the search; by the "
        "vector store of its best passage.",
    ),
    "ragfleet_passages_given": Metric(
        kind="histogram", labels=("store",), buckets=_COUNTS,
        help="Passages that an answer was written from, by the vector store of the best one.",
    ),
    "ragfleet_degraded": Metric(
        kind="counter", labels=("stage",), help="Requests that went on without this stage."
    ),
    "ragfleet_migrations": Metric(
        kind="counter", help="Generations that went on at another generator replica."
    ),
    "ragfleet_written_answers": Metric(
        kind="counter", labels=("writer",),
        help="Answers by the generator that wrote them; `fallback` is the one elsewhere.",
    ),
    "ragfleet_refusals": Metric(
        kind="counter", labels=("what", "category"),
        help="Texts that the safety filter flagged, by category.",
    ),
    "ragfleet_batch_items": Metric(
        kind="histogram", labels=("model",), buckets=_COUNTS, help="Items of one batch of a model."
    ),
    "ragfleet_batch_duration_seconds": Metric(
        kind="histogram", labels=("model",), buckets=_STAGE_S, help="One batch of a model."
    ),
    "ragfleet_batch_waiting_calls": Metric(
        kind="gauge", labels=("model",), help="Calls that waited for a model at its last batch."
    ),
    "ragfleet_memory_bytes": Metric(
        kind="gauge", labels=("device",),
        help="What the replica's process uses of its device: main memory, or that of a GPU.",
    ),
    "ragfleet_ingest_jobs": Metric(
        kind="gauge", help="Files that wait for ingestion, or are in it."
    ),
    "ragfleet_ingest_lag_seconds": Metric(
        kind="gauge", help="Since when the file that waits longest has waited."
    ),
    "ragfleet_files": Metric(
        kind="gauge", labels=("status", "store"),
        help="Files of vector stores by their status, of the stores with the most files, and of "
        "all others.",
    ),
    "ragfleet_index_passages": Metric(
        kind="gauge", labels=("store",),
        help="Passages that a search replica holds of the largest stores, and of all others.",
    ),
    "ragfleet_index_memory_bytes": Metric(
        kind="gauge", labels=("store",),
        help="Main memory of the indexes of the same stores, estimated: vectors are counted, words "
        "go by their characters.",
    ),
}  # fmt: skip


class Meter:
    """Records metrics of `METRICS`; each is made at its first record, in the replica."""

    def __init__(self) -> None:
        self._made: dict[str, metrics.Counter | metrics.Gauge | metrics.Histogram] = {}
        self._values: dict[tuple[str, str], set[str]] = {}

    def record(self, name: str, value: float, **labels: str) -> None:
        """Adds to a counter, sets a gauge, or puts a value into a histogram.

        Raises:
            KeyError: there is no such metric, or its labels are others.
        """
        metric = METRICS[name]
        if metric.kind == "counter" and value <= 0:
            return  # Ray refuses 0
        tags = {label: self._bounded(name, label, labels[label]) for label in metric.labels}
        self._write(name, value, tags)

    def _write(self, name: str, value: float, tags: dict[str, str]) -> None:
        instrument = self._made.get(name)
        if instrument is None:
            instrument = self._made[name] = _made(name, METRICS[name])
        match instrument:
            case metrics.Counter():
                instrument.inc(value, tags)
            case metrics.Gauge():
                instrument.set(value, tags)
            case metrics.Histogram():
                instrument.observe(value, tags)

    def _bounded(self, name: str, label: str, value: str) -> str:
        seen = self._values.setdefault((name, label), set())
        if value not in seen:
            if len(seen) >= MAX_VALUES:
                return OTHER
            seen.add(value)
        return value


def _made(name: str, metric: Metric) -> metrics.Counter | metrics.Gauge | metrics.Histogram:
    match metric.kind:
        case "counter":
            return metrics.Counter(name, description=metric.help, tag_keys=metric.labels)
        case "gauge":
            return metrics.Gauge(name, description=metric.help, tag_keys=metric.labels)
        case "histogram":
            return metrics.Histogram(
                name, description=metric.help, boundaries=list(metric.buckets),
                tag_keys=metric.labels,
            )  # fmt: skip
