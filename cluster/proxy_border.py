"""What Serve's HTTP proxies lack: deadlines for slow clients, bounds on what they send, discretion.

Serve's proxy is a uvicorn server in a process of its own, before every Gateway. uvicorn waits for
ever for the headers of a request and for a client that does not read its reply, and bounds neither
the number nor the size of headers. No application behind it can change that, so each proxy calls
`proxy_border` at its start, as `CALLBACK` in the environment of its node says (cluster/node.env).

    connection --headers: size, time--> body: small ones are awaited here --> Gateway
                                                                                 |
    client  <------ taken in time, or the connection is closed ------------------'
"""

import asyncio
import json
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

import uvicorn.protocols.http.auto
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Hints to Serve, by which a client could turn off its timeouts and go on after it has left.
_OF_SERVE = frozenset({b"x-request-timeout-seconds", b"x-request-disconnect-disabled"})
_ROUTES = "/-/routes"  # where Serve would tell everybody the names of all applications
# What tells Serve so.
CALLBACK = {"RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "cluster.proxy_border.proxy_border"}


@dataclass(frozen=True, kw_only=True)
class ProxyLimits:
    """What one client may take of a proxy; times are in seconds.

    Attributes:
        head_s: for the request line and all headers, from the connection or the first byte.
        head_bytes: of these.
        num_headers: of one request.
        body_s: for a body that is awaited here; of larger ones the Gateway keeps the time.
        awaited_bytes: a body up to this is awaited before a Gateway is asked.
        all_awaited_bytes: of all such bodies together; beyond that they pass as they come.
        write_s: a client whose connection takes nothing for so long is cut off.
        reply_s: the longest reply.
    """

    head_s: float = 10.0
    head_bytes: int = 64 * 1024
    num_headers: int = 100
    body_s: float = 60.0
    awaited_bytes: int = 1024 * 1024
    all_awaited_bytes: int = 128 * 1024 * 1024
    write_s: float = 30.0
    reply_s: float = 3600.0


def proxy_border(limits: ProxyLimits | None = None) -> list[Middleware]:
    """Gives Serve's proxy its border; called once in its process, before it listens."""
    limits = limits or ProxyLimits()
    # What uvicorn takes where nothing else is configured, and Serve lets nothing be configured.
    protocol: Any = uvicorn.protocols.http.auto
    protocol.AutoHTTPProtocol = timed_protocol(limits)
    return [Middleware(ProxyBorder, limits=limits)]


class ProxyBorder:
    """Bounds headers, awaits small bodies, and hides what is Serve's own. Pure ASGI."""

    def __init__(self, app: ASGIApp, limits: ProxyLimits) -> None:
        self._app = app
        self._limits = limits
        self._num_awaited_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._limits.num_headers
        if len(scope["headers"]) > most:
            reason = f"a request may have {most} headers, got {len(scope['headers'])}"
            await _refuse(send, 431, "too_many_headers", reason)
            return
        if scope["path"].removeprefix(scope.get("root_path", "")) == _ROUTES:
            await _refuse(send, 404, "not_found", "there is nothing here")
            return
        headers = [one for one in scope["headers"] if one[0].lower() not in _OF_SERVE]
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_s):
                has_more = await self._await_body(receive, body)
        except TimeoutError:
            reason = f"The body did not arrive within {self._limits.body_s} s"
            await _refuse(send, 408, "body_timeout", reason)
            return
        finally:
            self._num_awaited_bytes -= len(body)
        if has_more is None:
            return  # the client has left
        first: Message | None = {"type": "http.request", "body": bytes(body), "more_body": has_more}

        async def receive_body() -> Message:
            nonlocal first
            if first is None:
                return await receive()
            message, first = first, None
            return message

        await self._app({**scope, "headers": headers}, receive_body, send)

    async def _await_body(self, receive: Receive, body: bytearray) -> bool | None:
        """Collects a body as far as it is awaited; says whether more follows, None: never."""
        while True:
            message: MutableMapping[str, Any] = await receive()
            if message["type"] != "http.request":
                return None
            piece = message.get("body", b"")
            body += piece
            self._num_awaited_bytes += len(piece)
            if not message.get("more_body", False):
                return False
            is_full = self._num_awaited_bytes > self._limits.all_awaited_bytes
            if is_full or len(body) > self._limits.awaited_bytes:
                return True


async def _refuse(send: Send, status: int, code: str, reason: str) -> None:
    error = {"message": reason, "type": "invalid_request_error", "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _end_by_closing(cycle: Any) -> None:
    """Keeps a reply free of chunks, which HTTP/1.0 does not have (RFC 9112, 6.1) and uvicorn makes.

    Its end is that of the connection, which uvicorn closes then; what was announced of its length
    is sent along.
    """
    send: Send = cycle.send

    async def send_bare(message: Message) -> None:
        if message["type"] == "http.response.body":
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.chunked_encoding = False
    cycle.send = send_bare


def timed_protocol(limits: ProxyLimits) -> type[HttpToolsProtocol]:
    """Makes uvicorn's protocol with these limits."""
    return type("TimedProtocol", (_TimedProtocol,), {"limits": limits})


class _TimedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines: one timer a connection for each thing that may stall."""

    limits = ProxyLimits()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.app, ProxyHeadersMiddleware):
            # It believes X-Forwarded-* of this machine, and puts them in the place of the peer, by
            # which the Gateway tells whether to believe them (`http.trusted_proxies`).
            self.app = self.app.app
        self._head: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._reply: asyncio.TimerHandle | None = None
        self._num_head_bytes = 0
        self._has_head = False  # whether what comes is the body of a request
        self._has_advanced = False  # whether the last piece ended a head or a body

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]  # as uvicorn types it
        self._head = self.loop.call_later(self.limits.head_s, self._on_slow_head)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head, self._stall, self._reply):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._has_head:  # the next request of the connection
            self._await_head()
        self._has_advanced = False
        super().data_received(data)
        if not (self._has_head or self._has_advanced or self.transport.is_closing()):
            self._num_head_bytes += len(data)
            if self._num_head_bytes > self.limits.head_bytes:
                self._refuse_head(b"431 Request Header Fields Too Large")

    def on_headers_complete(self) -> None:
        self._has_head = self._has_advanced = True
        self._num_head_bytes = 0
        if self._head is not None:
            self._head.cancel()
            self._head = None
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            _end_by_closing(self.cycle)
        if self._reply is None:
            self._reply = self.loop.call_later(self.limits.reply_s, self.transport.abort)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._has_head, self._has_advanced = False, True

    def on_response_complete(self) -> None:
        if self._reply is not None:
            self._reply.cancel()
            self._reply = None
        super().on_response_complete()
        if self._num_head_bytes:  # it began to come while the answer ran
            self._await_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall is None:
            self._stall = self.loop.call_later(self.limits.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        if self._stall is None:  # what is not read yet holds the connection open
            self._stall = self.loop.call_later(self.limits.write_s, self.transport.abort)

    def _await_head(self) -> None:
        """Starts the time of a head; while an answer runs, a client may take its time."""
        if self._head is None and not self._is_answering():
            self._head = self.loop.call_later(self.limits.head_s, self._on_slow_head)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _on_slow_head(self) -> None:
        self._head = None
        if not self.transport.is_closing():
            self._refuse_head(b"408 Request Timeout")

    def _refuse_head(self, status: bytes) -> None:
        if not self._is_answering():  # within an answer it would be read as a part of that
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()
        self._stall = self.loop.call_later(self.limits.write_s, self.transport.abort)
