"""How messages reach `/mcp`: without sessions, from trusted pages only, whatever is sent."""

import asyncio
import itertools
import json
import subprocess
import sys

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from graphs.api.app import build_app
from tests.graphs.serving import in_app, serving

ACCEPT = {"accept": "application/json, text/event-stream"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
HELLO = PING | {
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"},
    },
}


class Alternating(httpx2.AsyncHTTPTransport):
    """Sends every request to the next server, as a load balancer without affinity."""

    def __init__(self, urls):
        super().__init__()
        self._urls, self.asked = itertools.cycle(urls), []

    async def handle_async_request(self, request):
        url = httpx2.URL(next(self._urls))
        request.url = request.url.copy_with(port=url.port)
        self.asked.append(url.port)
        return await super().handle_async_request(request)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_every_message_may_reach_another_gateway(api_app, api_services, store, mode):
    other = build_app(api_services)
    async with serving(api_app) as one, serving(other) as two:
        transport = Alternating([one, two])
        http = httpx2.AsyncClient(transport=transport)
        url = one.removesuffix("/v1") + "/mcp"
        async with (
            http,
            Client(streamable_http_client(url, http_client=http), mode=mode) as client,
        ):
            for _ in range(3):
                called = await client.call_tool("search", {"query": "bounded queue"})
                assert not called.is_error
            assert len((await client.list_resources()).resources) == 3
        assert len(set(transport.asked)) == 2


async def test_no_session_is_given_and_none_is_missed(api_http):
    reply = await api_http.post("/mcp", json=HELLO, headers=ACCEPT)
    assert reply.status_code == 200
    assert "mcp-session-id" not in reply.headers
    assert reply.json()["result"]["protocolVersion"] == "2025-06-18"
    told = ACCEPT | {"mcp-session-id": "of-a-server-that-is-gone"}
    assert (await api_http.post("/mcp", json=PING, headers=told)).status_code == 200


@pytest.mark.parametrize("path", ["/mcp", "/mcp/"])
@pytest.mark.parametrize("accept", ["application/json", "*/*", ACCEPT["accept"]])
async def test_clients_that_take_only_json_are_answered(api_http, path, accept):
    reply = await api_http.post(path, json=PING, headers={"accept": accept})
    assert (reply.status_code, reply.json()) == (200, {"jsonrpc": "2.0", "id": 1, "result": {}})


@pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
async def test_there_is_nothing_to_stream_or_to_end(api_http, method):
    reply = await api_http.request(method, "/mcp", headers=ACCEPT)
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"", -32700),
        (b"\xff\xfe", -32700),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}', -32700),
        (b"[" * 60_000, -32700),
        (b"5" * 5000, -32700),
        (b"[]", -32600),
        (b"{}", None),
        (b"null", -32600),
        (b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]', -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "nothing/here"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call"}', -32602),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": []}', None),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("version", [None, "2025-06-18", "2026-07-28", "1999-01-01"])
async def test_whatever_is_sent_gets_an_error_of_the_protocol(api_http, body, code, version):
    headers = ACCEPT | {"content-type": "application/json"}
    headers |= {"mcp-protocol-version": version} if version else {}
    reply = await api_http.post("/mcp", content=body, headers=headers)
    assert reply.status_code in {200, 400, 404}, reply.text
    told = reply.json()["error"]["code"]
    assert code is None or version in {"2026-07-28", "1999-01-01"} or told == code


async def test_a_large_body_is_refused_as_everywhere(api_http, api_config):
    body = b" " * (api_config.http.max_body_bytes + 1)
    reply = await api_http.post("/mcp", content=body, headers=ACCEPT)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")


def test_the_package_is_loaded_by_the_first_message_only():
    """It takes most of a second, which a Gateway that starts for other reasons must not pay."""
    code = "import sys, graphs.api.app; sys.exit('mcp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_ping_of_plain_http_is_one_round_trip(mcp_url):
    async with httpx.AsyncClient() as http:
        reply = await http.post(mcp_url, json=PING, headers=ACCEPT)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize("leaves", ["with its answer", "before"])
async def test_a_client_that_leaves_with_its_answer_is_no_fault(
    api_app, api_services, caplog, leaves
):
    """As httpx does: it closes the connection as soon as it has read the reply."""
    body, has_left, sent = json.dumps(PING).encode(), asyncio.Event(), []
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive():
        if unread:
            return unread.pop()
        if leaves == "with its answer":
            await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message["type"])
        has_left.set()
        await asyncio.sleep(0.05)  # the transport is not through yet

    headers = {"accept": ACCEPT["accept"], "content-type": "application/json", "host": "localhost"}
    scope = {
        "type": "http", "method": "POST", "path": "/mcp", "raw_path": b"/mcp", "root_path": "",
        "query_string": b"", "scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 1),
        "server": ("localhost", 80), "state": {}, "extensions": {}, "asgi": {"version": "3.0"},
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    async with in_app(api_app, api_services):
        await api_app(scope, receive, send)
    assert bool(sent) is (leaves == "with its answer")
    assert not [one for one in caplog.records if one.levelname == "ERROR"]
