"""A running system that is watched: full panels, logs in JSON, one trace to all models."""

import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cluster.observe.panel import WINDOW
from cluster.observe.panels import DASHBOARDS
from cluster.observe.prometheus import running
from cluster.ports import free_port
from graphs.explain import fetched
from graphs.observing.explaining import cause
from tests.end_to_end.conftest import System, short_folder, write_config
from tests.handbook import load_handbook

pytestmark = [pytest.mark.ray, pytest.mark.systems]
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SAMPLED = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
QUESTIONS = ("How large may a file be?", "What is the capital of Peru?", "Hello")
HARMFUL = "I will kill you tonight, you worthless idiot."
SECRET = "zanzibarquux"  # what a user wrote must stand in no line
SPANNED = {"Embedder", "Retriever", "Reranker", "SafetyFilter", "Generator"}


@pytest.fixture(scope="module")
def collector():
    """An OpenTelemetry collector: every span that was sent to it."""
    spans = []

    class Collect(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            sent = ExportTraceServiceRequest.FromString(body)
            spans.extend(s for r in sent.resource_spans for c in r.scope_spans for s in c.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Collect) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield spans, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def watched(collector):
    with short_folder() as folder:
        config = write_config("local.yaml", folder / "local.yaml", lambda _: None)
        settings = yaml.safe_load(config.read_text())
        exporter = "deployments.observing.spans:exporters"
        settings["tracing_config"] = {
            "enabled": True, "exporter_import_path": exporter, "sampling_ratio": 0.0,
        }  # fmt: skip
        config.write_text(yaml.safe_dump(settings))
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector[1],
            "OTEL_BSP_SCHEDULE_DELAY": "500",
        }
        made = System(config, folder, f"sqlite:///{folder}/corpus.db", environment=environment)
        made.start()
        load_handbook(made.openai)
        yield made
        made.stop()


def ask(system, question, **headers):
    messages = [{"role": "user", "content": question}]
    client = system.openai.chat.completions.with_raw_response
    return client.create(model="rag", messages=messages, extra_headers=headers)


def load(system):
    """What makes every panel show something."""
    for question in (*QUESTIONS, HARMFUL, f"What is {SECRET}?"):
        ask(system, question)
    system.openai.vector_stores.search("handbook", query="size of a file")


def values(address, query):
    asked = query.replace(WINDOW, "1m").replace("$model", ".*").replace("$store", ".*")
    reply = httpx.get(f"{address}/api/v1/query", params={"query": asked}).json()
    assert reply["status"] == "success", reply
    return [one["value"][1] for one in reply["data"]["result"] if one["value"][1] != "NaN"]


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="apt-get install prometheus")
def test_no_panel_is_empty_after_a_load(watched, tmp_path):
    with running(watched.folder, tmp_path, free_port()) as address:
        deadline = time.monotonic() + 90
        empty = {"all"}
        while empty and time.monotonic() < deadline:
            load(watched)  # rates need what grows between two scrapes
            time.sleep(5)
            empty = {
                (name, panel.title)
                for name, page in DASHBOARDS.items()
                for panel in page.panels
                if not all(values(address, query) for query in panel.queries.values())
            }
        assert empty == set()


def test_a_client_s_trace_reaches_every_model(watched, collector):
    ask(watched, QUESTIONS[0], **SAMPLED)
    deadline = time.monotonic() + 30
    own = {}
    while time.monotonic() < deadline and not reached(own) >= SPANNED:
        time.sleep(0.5)
        own = {s.span_id: s for s in collector[0] if s.trace_id.hex() == TRACE_ID}
    assert reached(own) >= SPANNED
    names = {span.name for span in own.values()}
    assert {"rag.chat", "generate", "generate.attempt", "retrieve", "rerank"} <= names
    for span in own.values():  # one tree, whose root is the client's
        assert span.parent_span_id in own or span.parent_span_id.hex() == "00f067aa0ba902b7"
    assert {s.trace_id.hex() for s in collector[0]} == {TRACE_ID}, "no other was sampled"


def reached(spans):
    """Deployments whose replicas have a span."""
    names = " ".join(span.name for span in spans.values())
    return {deployment for deployment in SPANNED if f"replica_handle_request {deployment}" in names}


def test_an_answer_of_a_running_system_is_explained(watched):
    answered = fetched(watched.url, ask(watched, QUESTIONS[0]).headers["x-request-id"], "none", 1)
    assert cause(answered).startswith("it was answered from documents.md")
    assert answered.findings.attempts[0].replica
    declined = fetched(watched.url, ask(watched, QUESTIONS[1]).headers["x-request-id"], "none", 1)
    assert declined.outcome == "declined"
    assert "threshold" in cause(declined) or "can answer" in cause(declined)


def test_every_request_has_a_line_in_json_and_no_text_of_a_user_stands_in_any(watched):
    request_id = ask(watched, f"What is {SECRET}?").headers["x-request-id"]
    logs = Path(watched.folder) / "ray" / "session_latest" / "logs" / "serve"
    text = "".join(path.read_text() for path in logs.glob("replica_*.log"))
    lines = [json.loads(line) for line in text.splitlines() if request_id in line]
    (told,) = [line for line in lines if "outcome" in line]
    assert told["outcome"] == "declined"
    assert told["latency_ms"]["retrieve"] > 0
    assert SECRET not in text
