"""The border of Serve's proxies, on uvicorn as Serve starts it, with real sockets."""

import asyncio
import socket
import ssl
import subprocess
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx
import pytest
import uvicorn.protocols.http.auto
from ray.serve._private.http_util import start_asgi_http_server
from ray.serve.config import HTTPOptions

from cluster.ports import free_port
from cluster.proxy_border import ProxyLimits, proxy_border

LIMITS = ProxyLimits(
    head_s=0.5, head_bytes=8192, num_headers=20, body_s=0.6, awaited_bytes=4096, write_s=0.5,
    reply_s=3.0,
)  # fmt: skip
BIG = 20_000_000


class Gateway:
    """Answers as the application behind the proxy would; tells what came to it."""

    def __init__(self):
        self.began = []
        self.num_left = 0

    async def __call__(self, scope, receive, send):
        self.began.append(scope)
        body, message = b"", {"more_body": True}
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/big":
            try:
                for _ in range(BIG // 100_000):
                    await send(
                        {"type": "http.response.body", "body": b"x" * 100_000, "more_body": True}
                    )
            finally:
                self.num_left += 1
        if scope["path"] == "/slow":
            while not await _has_left(receive):
                await send({"type": "http.response.body", "body": b"x", "more_body": True})
                await asyncio.sleep(0.05)
            self.num_left += 1
            return
        if scope["path"] == "/later":
            await asyncio.sleep(0.3)
        await send({"type": "http.response.body", "body": str(len(body)).encode()})


async def _has_left(receive):
    try:
        return (await asyncio.wait_for(receive(), 0.001))["type"] == "http.disconnect"
    except TimeoutError:
        return False


@asynccontextmanager
async def proxied(monkeypatch, limits=LIMITS, **options):
    protocol = uvicorn.protocols.http.auto
    monkeypatch.setattr(protocol, "AutoHTTPProtocol", protocol.AutoHTTPProtocol)
    app, port = Gateway(), free_port()
    options = HTTPOptions(host="127.0.0.1", port=port, **options)
    options.middlewares.extend(proxy_border(limits))  # as Serve does for its callback
    serving, server = await start_asgi_http_server(
        app, options, event_loop=asyncio.get_running_loop()
    )
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.01)
    try:
        yield app, port
    finally:
        server.should_exit = server.force_exit = True
        await serving


async def told(port, *pieces, pause_s=0.0):
    """Sends pieces; gives what came back until the connection was closed, and how long it took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()

    async def write():
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    writing, reply = asyncio.create_task(write()), b""
    with suppress(ConnectionResetError):  # it may follow the reply, as unread pieces were left
        async with asyncio.timeout(10):
            while piece := await reader.read(65536):
                reply += piece
    writing.cancel()
    await asyncio.wait([writing])
    writer.close()
    return reply, time.monotonic() - began


async def test_the_gateway_alone_decides_whose_forwarded_headers_are_believed(monkeypatch):
    forged = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    async with proxied(monkeypatch) as (app, port), httpx.AsyncClient() as client:
        await client.get(f"http://127.0.0.1:{port}/", headers=forged)
    (scope,) = app.began
    assert (scope["client"][0], scope["scheme"]) == ("127.0.0.1", "http")
    assert (b"x-forwarded-for", b"203.0.113.9") in scope["headers"]


@pytest.mark.parametrize("root_path", ["", "/rag"])
async def test_the_list_of_applications_is_nobodys_business(monkeypatch, root_path):
    at, http = proxied(monkeypatch, root_path=root_path), httpx.AsyncClient()
    async with at as (app, port), http:
        for path, status in {"/-/routes": 404, "/-/routes/": 200, "/-/healthz": 200}.items():
            reply = await http.get(f"http://127.0.0.1:{port}{path}")
            assert (path, reply.status_code) == (path, status)
    assert len(app.began) == 2


async def test_headers_that_come_slowly_are_given_up(monkeypatch):
    async with proxied(monkeypatch) as (app, port):
        drops = [b"GET / HTTP/1.1\r\nhost: a\r\n", *[b"x-a: b\r\n"] * 50]
        for pieces in ([], [b"G"], drops):
            reply, took_s = await told(port, *pieces, pause_s=0.1)
            assert reply.startswith(b"HTTP/1.1 408")
            assert took_s < 5
        assert app.began == []


@pytest.mark.parametrize("path", ["/", "/later", "/big"])
async def test_a_reply_to_an_old_client_has_no_chunks_and_ends_with_its_connection(
    monkeypatch, path
):
    async with proxied(monkeypatch, ProxyLimits()) as (_, port):
        head = f"POST {path} HTTP/1.0\r\nhost: a\r\ncontent-length: 3\r\n\r\n".encode()
        reply, _ = await told(port, head + b"abc")
        headers, _, body = reply.partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in headers.lower()
        assert body == (b"x" * BIG if path == "/big" else b"") + b"3"


async def test_the_next_request_of_a_connection_has_a_deadline_too(monkeypatch):
    async with proxied(monkeypatch, keep_alive_timeout_s=30) as (app, port):
        reply, _ = await told(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /", pause_s=0.2)
        assert reply.startswith(b"HTTP/1.1 200")
        assert b"HTTP/1.1 408" in reply
        assert len(app.began) == 1


@pytest.mark.parametrize("stray", [b"\r\n", b"GET / HTTP/1.1\r\nx-a: " + b"a" * 9000])
async def test_what_comes_while_an_answer_runs_is_not_answered_within_it(monkeypatch, stray):
    async with proxied(monkeypatch, replace(LIMITS, reply_s=60)) as (_, port):
        head = b"POST /slow HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head + b"x")
        reply = await reader.readuntil(b"1\r\nx\r\n")
        writer.write(stray)
        began = time.monotonic()
        while time.monotonic() < began + 3 * LIMITS.head_s:
            piece = await reader.read(1000)
            reply += piece
            if not piece:
                break
        assert reply.count(b"HTTP/1.1") == 1
        assert (piece != b"") is (stray == b"\r\n")  # a head without end closes the connection
        writer.close()


async def test_a_head_that_begins_while_an_answer_runs_has_its_time_afterwards(monkeypatch):
    async with proxied(monkeypatch, keep_alive_timeout_s=30) as (_, port):
        pieces = [b"GET /later HTTP/1.1\r\nhost: a\r\n\r\n", b"GET /"]
        reply, took_s = await told(port, *pieces, pause_s=0.1)
        assert reply.startswith(b"HTTP/1.1 200")
        assert reply.endswith(b"connection: close\r\n\r\n")
        assert b"HTTP/1.1 408" in reply
        assert took_s > 0.3 + 0.9 * LIMITS.head_s


async def test_headers_without_end_are_refused_before_they_are_kept(monkeypatch):
    async with proxied(monkeypatch, replace(LIMITS, head_s=60)) as (app, port):
        for endless in (b"GET / HTTP/1.1\r\nx-a: ", b"GET /"):
            reply, took_s = await told(port, endless, *[b"a" * 1000] * 100, pause_s=0.01)
            assert reply.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
            assert took_s < 5
        many = b"".join(b"x-%d: b\r\n" % number for number in range(30))
        reply, _ = await told(port, b"GET / HTTP/1.1\r\n" + many + b"\r\n")
        assert reply.startswith(b"HTTP/1.1 431")
        assert b"a request may have 20 headers, got 30" in reply
        assert app.began == []


async def test_a_body_that_comes_slowly_takes_no_room_at_a_gateway(monkeypatch):
    async with proxied(monkeypatch) as (app, port):
        head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3000\r\n\r\n"
        replies = await asyncio.gather(
            *(told(port, head, *[b"x"] * 100, pause_s=0.05) for _ in range(20))
        )
        statuses = {reply.split(b"\r\n")[0] for reply, _ in replies}
        assert statuses <= {b"HTTP/1.1 408 Request Timeout", b""}  # or cut off while it was sent
        assert app.began == []


async def test_whole_bodies_pass_large_ones_as_they_come(monkeypatch):
    async with proxied(monkeypatch) as (app, port), httpx.AsyncClient() as client:
        for size in (0, 10, 4096, 4097, 3_000_000):
            reply = await client.post(f"http://127.0.0.1:{port}/", content=b"x" * size)
            assert (reply.status_code, int(reply.text)) == (200, size)
        assert len(app.began) == 5


async def test_what_is_not_read_is_cut_off(monkeypatch):
    async with proxied(monkeypatch, replace(LIMITS, write_s=2.0, reply_s=60)) as (app, port):
        stalled = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for one in stalled:
            one.sendall(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n")
        async with asyncio.timeout(20):
            while app.num_left < 20:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.05)
        for one in stalled:
            one.close()
        async with httpx.AsyncClient() as client:
            reply = await client.get(f"http://127.0.0.1:{port}/big")
        assert len(reply.content) >= BIG


async def test_a_reply_ends_when_it_is_too_old(monkeypatch):
    async with proxied(monkeypatch) as (app, port):
        reply, took_s = await told(port, b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        assert reply == b"" or reply.startswith(b"HTTP/1.1 200")
        assert 2 < took_s < 9
        async with asyncio.timeout(5):
            while not app.num_left:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_client_cannot_turn_off_what_ends_its_requests(monkeypatch):
    async with proxied(monkeypatch) as (app, port), httpx.AsyncClient() as client:
        headers = {
            "x-request-timeout-seconds": "-1", "X-Request-Disconnect-Disabled": "?1", "x-a": "b",
        }  # fmt: skip
        await client.get(f"http://127.0.0.1:{port}/", headers=headers)
        names = {name for name, _ in app.began[0]["headers"]}
        assert b"x-a" in names
        assert not names & {b"x-request-timeout-seconds", b"x-request-disconnect-disabled"}


@pytest.fixture
def certified(tmp_path):
    """A key and a certificate that it has signed itself."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
         "-keyout", key, "-out", certificate, "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return {"ssl_keyfile": str(key), "ssl_certfile": str(certificate)}


async def test_tls_by_the_options_of_serve(monkeypatch, certified):
    async with proxied(monkeypatch, **certified) as (app, port):
        trusting = ssl.create_default_context(cafile=certified["ssl_certfile"])
        async with httpx.AsyncClient(verify=trusting) as client:
            assert (await client.get(f"https://127.0.0.1:{port}/")).status_code == 200
        assert app.began[0]["scheme"] == "https"
        async with httpx.AsyncClient() as client:
            with pytest.raises(httpx.HTTPError):
                await client.get(f"http://127.0.0.1:{port}/")
