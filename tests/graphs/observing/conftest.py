"""Spans as an exporter gets them."""

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio


@pytest.fixture(scope="session")
def span_exporter():
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBasedTraceIdRatio(1.0))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    otel.set_tracer_provider(provider)  # once a process
    yield exporter
    exporter.shutdown()


@pytest.fixture
def spans(span_exporter):
    span_exporter.clear()
    return lambda: {span.name: span for span in span_exporter.get_finished_spans()}
