"""The exam against a server of a few lines that speaks the OpenAI API, refusals included."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from openai import OpenAI

from benchmarks.exam.asking import ask, cited_files, filled_store, upload
from benchmarks.exam.questions import Question

FILES = {"good.md": "file-1", "bad.pdf": "file-2"}


class Handler(BaseHTTPRequestHandler):
    """Refuses .xyz, fails on `bad.pdf`, and answers with the number of messages."""

    chats: ClassVar[list[list[dict[str, str]]]] = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/files":
            self._upload(body)
        elif self.path == "/v1/vector_stores":
            self._send({"id": "vs_1", "object": "vector_store"})
        elif self.path.endswith("/files"):
            self._send({"id": json.loads(body)["file_id"]})
        elif self.path.endswith("/search"):
            content = [{"type": "text", "text": "It costs 7 euros."}]
            hit = {"file_id": "file-1", "filename": "good.md", "score": 1.0, "content": content}
            self._send({"object": "page", "data": [hit], "has_more": False})
        else:
            self._chat(json.loads(body))

    def do_GET(self):
        if self.path.startswith("/v1/files/"):
            id_ = self.path.rsplit("/", 1)[-1]
            self._send({"id": id_, "filename": {v: k for k, v in FILES.items()}[id_]})
        elif "/files" in self.path:
            failed = "filter=failed" in self.path
            ids = ["file-2"] if failed else list(FILES.values())
            self._send({"object": "list", "data": [{"id": id_} for id_ in ids], "has_more": False})
        else:
            counts = {"in_progress": 0, "completed": 1, "failed": 1, "cancelled": 0, "total": 2}
            self._send({"id": "vs_1", "file_counts": counts})

    def _upload(self, body):
        name = next((name for name in FILES if name.encode() in body), None)
        if name:
            self._send({"id": FILES[name]})
        else:
            self._send({"error": {"message": "no parser reads it"}}, status=400)

    def _chat(self, body):
        self.chats.append(body["messages"])
        if body["messages"][-1]["content"] == "bomb":
            self._send({"error": {"message": "blocked"}}, status=400)
            return
        source = {"start_index": 3, "end_index": 6, "url": "/v1/files/file-1/content#chunk=2"}
        message = {
            "role": "assistant",
            "content": f"{len(body['messages'])} messages, 7 euros [1]",
            "annotations": [{"type": "url_citation", "url_citation": {**source, "title": "Good"}}],
        }
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._send({"id": "c", "object": "chat.completion", "choices": [choice]})

    def _send(self, body, status=200):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def client():
    Handler.chats = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    with OpenAI(base_url=url, api_key="none", max_retries=0) as made:
        yield made
    server.shutdown()
    server.server_close()


def question(*turns):
    return Question(
        id="x",
        kind="follow_up",
        half="dev",
        turns=turns,
        documents=("good.md",),
        facts=(("7 euros",),),
    )


def test_files_that_the_system_cannot_read_are_named_and_the_exam_goes_on(client, tmp_path):
    files = [tmp_path / name for name in ("good.md", "bad.pdf", "odd.xyz")]
    for file in files:
        file.write_bytes(b"x")
    store = upload(client, files)
    assert store.names == {"file-1": "good.md", "file-2": "bad.pdf"}
    assert set(store.unread) == {"bad.pdf", "odd.xyz"}


def test_a_filled_store_knows_its_files(client):
    assert filled_store(client, "vs_1").names == {"file-1": "good.md", "file-2": "bad.pdf"}


def test_earlier_turns_are_asked_and_their_answers_fed_back(client):
    transcript = ask(client, filled_store(client, "vs_1"), question("one", "two"))
    assert transcript.answers == ("1 messages, 7 euros [1]", "3 messages, 7 euros [1]")
    assert [message["role"] for message in Handler.chats[1]] == ["user", "assistant", "user"]
    assert Handler.chats[1][1]["content"] == transcript.answers[0]
    assert transcript.cited == ("good.md",)
    assert transcript.found
    assert transcript.verdict.right


def test_a_refused_question_is_an_empty_answer(client):
    transcript = ask(client, filled_store(client, "vs_1"), question("bomb"))
    assert (transcript.answers, transcript.ended) == (("",), "HTTP 400")
    assert not transcript.verdict.right
    assert not transcript.verdict.false


def test_the_file_of_an_annotation_is_known_in_either_form():
    names = {"file-1": "good.md"}
    message = {
        "annotations": [
            {"type": "file_citation", "file_citation": {"file_id": "file-1", "quote": "x"}},
            {"type": "url_citation", "url_citation": {"url": "/v1/files/file-1/content"}},
            {"type": "url_citation", "url_citation": {"url": "https://elsewhere.example"}},
        ]
    }
    assert cited_files(message, names) == ["good.md", "good.md", "unknown"]
    assert cited_files({"annotations": None}, names) == []
