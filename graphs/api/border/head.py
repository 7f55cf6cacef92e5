"""HEAD wherever GET is: the same reply without its body (RFC 9110, 9.3.2). Pure ASGI."""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_STREAM = "text/event-stream"


class HeadAsGet:
    """Lets GET answer for HEAD, and keeps its body back.

    A stream of events, which may go on for long, is given up when its headers are there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        is_over = False

        async def send_head(message: Message) -> None:
            nonlocal is_over
            if is_over:
                return
            is_body = message["type"] == "http.response.body"
            is_over = _begins_stream(message)
            await send({**message, "body": b""} if is_body else message)
            if is_over:
                await send({"type": "http.response.body", "body": b""})
                answering.cancel()

        answer = self._app({**scope, "method": "GET"}, receive, send_head)
        answering = asyncio.ensure_future(answer)
        try:
            await asyncio.wait([answering])
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
        if not answering.cancelled():
            answering.result()


def _begins_stream(message: Message) -> bool:
    if message["type"] != "http.response.start":
        return False
    return Headers(raw=message.get("headers", [])).get("content-type", "").startswith(_STREAM)
