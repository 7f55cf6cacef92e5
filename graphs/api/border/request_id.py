"""Gives every request an id and every reply its headers. Pure ASGI: streams pass unbuffered."""

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What is echoed goes into logs and headers, so a client's id has to be short and plain.
_PLAIN_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")

_API_VERSION = "2020-10-01"  # of OpenAI's API, as it names itself


class RequestId:
    """Echoes `x-request-id`, or makes one, and adds `openai-processing-ms` and `openai-version`.

    The id is found at `request.state.request_id`. Ray Serve's proxy names requests and echoes the
    name itself; behind it `echo` is off, or the header would come twice.
    """

    def __init__(self, app: ASGIApp, *, echo: bool) -> None:
        self._app = app
        self._echo = echo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on under its id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _checked(Headers(scope=scope).get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if self._echo:
                    headers["x-request-id"] = request_id
                latency_ms = (time.perf_counter() - started) * 1000
                headers["openai-processing-ms"] = str(round(latency_ms))
                headers["openai-version"] = _API_VERSION
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _checked(sent: str | None) -> str:
    if sent is not None and _PLAIN_ID.fullmatch(sent):
        return sent
    return f"req_{uuid.uuid4().hex}"
