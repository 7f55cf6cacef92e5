"""Where spans go: the exporter that Serve's own tracing is given.

    tracing_config:                       # top level of the Serve config
      enabled: true
      exporter_import_path: deployments.observing.spans:exporters
      sampling_ratio: 0.01                # of requests that bring no decision of their client

Serve then makes spans of its proxy, its routers and its replicas, and carries the W3C context from
the client's `traceparent` over every handle. Ours stand between: one a request and one a stage
(graphs/pipeline/trace.py), one an attempt at an answer (graphs/generator_client.py).

The environment of every node names the collector, as OpenTelemetry says it:
`OTEL_EXPORTER_OTLP_ENDPOINT` (http://127.0.0.1:4318 by default), `OTEL_EXPORTER_OTLP_HEADERS`, ...
No prompt and no document stands in a span, unless `observing.span_texts` of the Gateway says so.
"""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def exporters() -> list[SpanProcessor]:
    """Sends spans to an OpenTelemetry collector, in batches, beside the requests."""
    return [BatchSpanProcessor(OTLPSpanExporter())]
