"""Bounds on request bodies: their size, their coding and the time they take. Pure ASGI."""

import asyncio
import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphs.api.border.bodies.coded import CODINGS, BodyDecoder, coded
from graphs.api.error_replies import error_response
from graphs.api.errors import BodyTimeoutError, BodyTooLargeError
from graphs.api.services import Services
from graphs.config import HttpSettings

# Boundaries, part headers and the small form fields around the file itself.
_MULTIPART_OVERHEAD_BYTES = 64 * 1024
_TAKES_FILES = re.compile(r"/v1/files|/v1/uploads/[^/]+/parts")


class BodyLimit:
    """Answers 413 by the declared length, and cuts off bodies that turn out larger or too slow.

    The bound is one on what a body holds, also where it comes compressed by gzip or deflate; other
    codings get 415.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on with its body bounded."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        max_bytes = _max_bytes(scope, services.config.http)
        headers = Headers(scope=scope)
        coding = headers.get("content-encoding", "identity").strip() or "identity"
        if coding.lower() not in {"identity", *CODINGS}:
            reason = f"The body must be sent as it is, or as gzip or deflate, got {coding[:40]!r}"
            await error_response(coded(reason))(scope, receive, send)
            return
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:20]) > max_bytes:
            await error_response(_too_large(max_bytes))(scope, receive, send)
            return
        bounded = _BoundedReceive(receive, max_bytes, services.config.http.body_s)
        if coding.lower() in CODINGS:
            bounded.decoder = BodyDecoder(coding.lower())
            scope = {**scope, "headers": _without_coding(scope)}
        await self._app(scope, bounded, send)


class _BoundedReceive:
    """Passes the messages of one body on, counting bytes and time until it is complete."""

    def __init__(self, receive: Receive, max_bytes: int, timeout_s: float) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._num_bytes = 0
        self._num_sent_bytes = 0  # before they are decoded, which may leave none of them
        self._deadline: float | None = None
        self._is_complete = False
        self.decoder: BodyDecoder | None = None

    async def __call__(self) -> Message:
        if self._is_complete:
            return await self._receive()
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as err:
            reason = f"The body did not arrive within {self._timeout_s} s"
            raise BodyTimeoutError(408, reason, {"connection": "close"}) from err
        self._is_complete = not message.get("more_body", False)
        self._num_sent_bytes += len(message.get("body", b""))
        if self._num_sent_bytes > self._max_bytes:
            raise _too_large(self._max_bytes)
        if self.decoder is not None and message["type"] == "http.request":
            left = self._max_bytes - self._num_bytes
            body = message.get("body", b"")
            body = self.decoder.decode(body, left, is_last=self._is_complete)
            message = {**message, "body": body}
        self._num_bytes += len(message.get("body", b""))
        if self._num_bytes > self._max_bytes:
            raise _too_large(self._max_bytes)
        return message


def _max_bytes(scope: Scope, settings: HttpSettings) -> int:
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    if scope["method"] == "POST" and _TAKES_FILES.fullmatch(path):
        return settings.max_file_bytes + _MULTIPART_OVERHEAD_BYTES
    return settings.max_body_bytes


def _without_coding(scope: Scope) -> list[tuple[bytes, bytes]]:
    """The headers of a request without those that tell how its body was sent."""
    sent = {b"content-encoding", b"content-length"}
    return [(name, value) for name, value in scope["headers"] if name.lower() not in sent]


def _too_large(max_bytes: int) -> BodyTooLargeError:
    reason = f"The body must be at most {max_bytes} bytes"
    return BodyTooLargeError(413, reason, {"connection": "close"})
