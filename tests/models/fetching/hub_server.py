"""A Hugging Face hub of one repository on loopback, which breaks when it is told to."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c" * 40


class Hub:
    """Serves files, and notes the ranges that it was asked for.

    Attributes:
        files: name -> what is served.
        told: name -> what the hub says of it, where that is not the truth: size, sha256.
        breaks: so many bytes are sent of a large file before the connection ends; None: all.
        ranges: the `Range` of each request for a large file.
    """

    def __init__(self, files):
        self.files, self.told = files, {}
        self.breaks, self.ranges, self.asked = None, [], []
        self.knows_ranges = True

    def info(self):
        return {"id": "org/name", "sha": COMMIT, "siblings": [self._entry(n) for n in self.files]}

    def _entry(self, name):
        content = self.files[name]
        entry = {"rfilename": name, "size": self.told.get(name, {}).get("size", len(content))}
        blob = b"blob %d\0" % len(content) + content
        entry["blobId"] = hashlib.sha1(blob, usedforsecurity=False).hexdigest()
        if name.endswith(".safetensors"):
            sha256 = self.told.get(name, {}).get("sha256", hashlib.sha256(content).hexdigest())
            entry["lfs"] = {"size": entry["size"], "sha256": sha256, "pointerSize": 1}
        return entry


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server.hub
        hub.asked.append(self.path)
        if self.path.startswith("/api/models/org/name/revision/" + COMMIT):
            self._send(200, json.dumps(hub.info()).encode())
            return
        name = self.path.partition(f"/org/name/resolve/{COMMIT}/")[2].partition("?")[0]
        if name not in hub.files:
            self._send(404, b"{}")
            return
        content, status = hub.files[name], 200
        if name.endswith(".safetensors"):
            asked = self.headers.get("range")
            hub.ranges.append(asked)
            if asked and hub.knows_ranges:
                content = content[int(asked.removeprefix("bytes=").rstrip("-")) :]
                status = 206
            if hub.breaks is not None:
                self._send(status, content[: hub.breaks], length=len(content))
                return
        self._send(status, content)

    def _send(self, status, body, length=None):
        self.send_response(status)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_):
        """Says nothing."""


@contextmanager
def serving(files):
    """Gives the hub and its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.hub = Hub(files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.hub, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
