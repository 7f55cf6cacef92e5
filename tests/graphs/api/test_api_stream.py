"""Streams over raw ASGI: frames, heartbeat, clients that leave and clients that stall."""

import asyncio
import dataclasses
import json

import pytest

from graphs.config import HttpSettings

BODY = {"model": "rag", "messages": [{"role": "user", "content": "Where?"}]}
FOREVER = 3600


class Connection:
    """One request of a client that can hang up, and that may stop reading."""

    def __init__(self, app, path, body):
        payload = json.dumps(body).encode()
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
            "scheme": "http",
            "server": ("test", 80),
            "client": ("test", 1),
        }
        self._messages = asyncio.Queue()
        self._messages.put_nowait({"type": "http.request", "body": payload, "more_body": False})
        self.sent = []
        self.arrived = asyncio.Event()
        self.is_reading = asyncio.Event()
        self.is_reading.set()
        self.done = asyncio.create_task(app(self._scope, self._messages.get, self._send))

    async def _send(self, message):
        await self.is_reading.wait()
        self.sent.append(message)
        self.arrived.set()

    def hang_up(self):
        self._messages.put_nowait({"type": "http.disconnect"})

    @property
    def text(self):
        return b"".join(message.get("body", b"") for message in self.sent).decode()


@pytest.fixture
async def connect(api_app):
    connections = []

    def open_connection(body, *, path="/v1/chat/completions"):
        connections.append(Connection(api_app, path, body))
        return connections[-1]

    yield open_connection
    for connection in connections:
        connection.done.cancel()
    await asyncio.gather(*(one.done for one in connections), return_exceptions=True)


@pytest.fixture
def with_timeouts(api_app, api_services):
    def change(**timeouts):
        config = api_services.config.model_copy(update={"http": HttpSettings(**timeouts)})
        services = dataclasses.replace(api_services, config=config)
        api_app.state.services = services

    return change


async def test_frames_follow_the_rules_of_openai(api_http):
    reply = await api_http.post("/v1/chat/completions", json=BODY | {"stream": True})
    *frames, done, end = reply.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    chunks = [json.loads(frame.partition("data: ")[2]) for frame in frames]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert [sorted(delta) for delta in deltas] == [
        ["content", "context", "role"], ["content"], ["content"], ["annotations"], [],
    ]  # fmt: skip
    finish_reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert finish_reasons == [None, None, None, None, "stop"]
    assert all(chunk["choices"][0]["logprobs"] is None for chunk in chunks)


async def test_annotation_is_sent_before_the_next_text(connect, api_pipeline):
    api_pipeline.script.insert(4, FOREVER)
    connection = connect(BODY | {"stream": True})
    async with asyncio.timeout(5):
        while "url_citation" not in connection.text:
            connection.arrived.clear()
            await connection.arrived.wait()
    assert "[DONE]" not in connection.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("position", [0, 2])
async def test_client_that_leaves_closes_the_pipeline(connect, api_pipeline, stream, position):
    api_pipeline.script.insert(position, FOREVER)
    connection = connect(BODY | {"stream": stream})
    await api_pipeline.opened.wait()
    assert not api_pipeline.closed.is_set()
    connection.hang_up()
    async with asyncio.timeout(5):
        await api_pipeline.closed.wait()
        await connection.done
    assert api_pipeline.num_open == 0


async def test_client_that_leaves_cancels_an_embedding(connect, api_embedder):
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    async def embed_forever(texts, **options):
        begun.set()
        try:
            await asyncio.sleep(FOREVER)
        finally:
            cancelled.set()

    api_embedder.embed = embed_forever
    connection = connect({"model": "bundled:embedder", "input": "x"}, path="/v1/embeddings")
    await begun.wait()
    connection.hang_up()
    async with asyncio.timeout(5):
        await cancelled.wait()


async def test_silence_is_filled_with_comments(connect, api_pipeline, with_timeouts):
    api_pipeline.script.insert(1, FOREVER)
    with_timeouts(heartbeat_s=0.01)
    connection = connect(BODY | {"stream": True})
    async with asyncio.timeout(5):
        while connection.text.count(": ping\n") < 2:
            connection.arrived.clear()
            await connection.arrived.wait()


async def test_the_openai_client_reads_on_after_a_silence(api_openai, api_pipeline, with_timeouts):
    api_pipeline.script.insert(2, 0.2)  # after an event that has an id
    with_timeouts(heartbeat_s=0.01)
    stream = await api_openai.chat.completions.create(
        **BODY, stream=True, extra_headers={"Idempotency-Key": "one"}
    )
    parts = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(parts) == "Requests wait in a bounded queue. [1]"


async def test_client_that_stops_reading_is_dropped(connect, api_pipeline, with_timeouts):
    api_pipeline.script.insert(1, 0.01)
    with_timeouts(write_s=0.05)
    connection = connect(BODY | {"stream": True})
    await connection.arrived.wait()
    connection.is_reading.clear()
    async with asyncio.timeout(5):
        await connection.done
    assert api_pipeline.num_open == 0
    assert "[DONE]" not in connection.text
    assert connection.sent[-1].get("more_body", True)  # left unfinished: the server closes


async def test_client_that_stops_reading_is_dropped_while_nothing_comes(
    connect, api_pipeline, with_timeouts
):
    api_pipeline.script.insert(1, FOREVER)
    with_timeouts(heartbeat_s=0.01, write_s=0.05)
    connection = connect(BODY | {"stream": True})
    await connection.arrived.wait()
    connection.is_reading.clear()
    async with asyncio.timeout(5):
        await connection.done
    assert api_pipeline.num_open == 0


async def test_slow_reader_holds_the_pipeline_back(connect, api_pipeline):
    taken = []
    script = api_pipeline.script

    class CountedScript(list):
        def __iter__(self):
            for step in script[:1] + [0, script[1]] * 1000 + script[-1:]:
                taken.append(step)
                yield step

    api_pipeline.script = CountedScript()
    connection = connect(BODY | {"stream": True})
    await connection.arrived.wait()
    connection.is_reading.clear()
    num_taken = len(taken)
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(taken) <= num_taken + 2 < 10
    connection.hang_up()
    connection.is_reading.set()
    await connection.done
