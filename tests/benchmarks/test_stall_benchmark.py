"""The benchmark of stalls against servers that are quick, slow or losing replicas."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks import stall

KINDS = ["chat", "moderation", "rerank", "embedding", "search"]


@pytest.fixture
def server():
    """A server whose answers the test settles: path and size of the body -> status and code."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args):
            pass

        def do_GET(self):
            self.tell(200, {"data": [{"name": "handbook", "id": "vs_1"}]})

        def do_POST(self):
            size = int(self.headers["content-length"])
            body = self.rfile.read(size)
            status, code = self.server.answer(self.path, len(body))
            self.tell(status, {"error": {"code": code}})

        def tell(self, status, value):
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.answer = lambda _path, _size: (200, None)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(stall, "_HEAD_START_S", 0.05)
    few = dict(list(stall.heavy_requests().items())[:1])
    monkeypatch.setattr(stall, "heavy_requests", lambda: few)


def run(server, tmp_path, *options):
    url = f"http://127.0.0.1:{server.server_address[1]}"
    out = tmp_path / "stall.json"
    status = stall.main(["--base-url", url, "--rounds", "2", "--out", str(out), *options])
    return status, json.loads(out.read_text())


def test_a_server_that_answers_at_once_passes(server, tmp_path, capsys):
    kinds, came_again = Counter(), threading.Event()

    def heavy_is_refused(_path, size):
        kinds["short" if size < 100_000 else "heavy"] += 1
        if size >= 100_000:
            if kinds["heavy"] == 2:  # its one client has read the reply before
                came_again.set()
            return 400, "context_length_exceeded"
        if kinds["short"] > 4 * len(KINDS):  # two rounds to warm up, and two alone
            assert came_again.wait(20)
        return 200, None

    server.answer = heavy_is_refused
    options = ("--limit-s", "60", "--heavy-clients", "1")
    status, [alone, beside] = run(server, tmp_path, *options)
    assert status == 0
    assert list(alone["latencies_s"]) == list(beside["latencies_s"]) == KINDS
    assert alone["heavy_replies"] == {}
    assert list(beside["heavy_replies"]) == ["400 context_length_exceeded"]
    told = capsys.readouterr().out
    assert "| short request, p50 / p99 in ms | alone | 1 MB questions |" in told
    assert "no replica was lost" in told


def test_short_requests_that_wait_too_long_fail_it(server, tmp_path):
    server.answer = lambda _path, _size: (time.sleep(0.03), (200, None))[1]
    status, _ = run(server, tmp_path, "--limit-s", "0.02")
    assert status == 1


def test_a_replica_that_is_lost_is_told(server, tmp_path, capsys):
    server.answer = lambda path, _size: (503, "replica_lost") if "rerank" in path else (200, None)
    status, [alone, _] = run(server, tmp_path, "--limit-s", "5")
    assert status == 1
    assert alone["failures"] == {"rerank: 503 replica_lost": 2}
    assert "a replica was lost" in capsys.readouterr().out


def test_a_server_that_is_not_there_is_told(capsys):
    assert stall.main(["--base-url", "http://127.0.0.1:9"]) == 2
    assert "does not answer" in capsys.readouterr().out
