"""An OpenTelemetry collector of this process: it keeps every span that it is sent over OTLP."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class SpanCollector:
    """What has come, and where to send it."""

    def __init__(self):
        self.spans, self.url = [], ""

    def of(self, trace_id):
        """The spans of one trace, by their ids."""
        return {one.span_id: one for one in self.spans if one.trace_id.hex() == trace_id}


@contextmanager
def collecting():
    """Collects on a port of its own of loopback."""
    collector = SpanCollector()

    class Collect(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            sent = ExportTraceServiceRequest.FromString(body)
            collector.spans += [
                s for r in sent.resource_spans for c in r.scope_spans for s in c.spans
            ]
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        collector.url = f"http://127.0.0.1:{server.server_port}"
        yield collector
        server.shutdown()
