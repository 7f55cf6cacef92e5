"""`POST /mcp`: one message of the Model Context Protocol, answered by one JSON body.

    request ── border of all routes ── strict JSON ── the package's transport ── server.py

No session is kept, so any Gateway answers any message, and what a client began at a lost one goes
on at the next. Clients that know only sessions (revisions until 2025-11-25) are told of none and
work the same; there is nothing to stream or to end, so GET and DELETE get 405, as the protocol
wants it. The package takes most of a second to import: it is loaded by the first message.

https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
"""

import asyncio
import json
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from graphs.api.border.bodies.strict_json import JsonRequest
from graphs.api.border.disconnect import unless_disconnected
from graphs.api.errors import DisconnectedError

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server

# The package's own limit must not undercut that of the settings, which has been kept already.
_NO_LIMIT = 2**62
_PARSE_ERROR, _INVALID_REQUEST = -32700, -32600  # JSON-RPC 2.0, 5.1

# Not part of the OpenAPI description: it is another protocol, which describes itself.
router = APIRouter(include_in_schema=False)


@router.post("/mcp")
@router.post("/mcp/")
async def post_message(request: Request) -> Response:
    """Answers one message."""
    read = JsonRequest(request.scope, request.receive)
    try:
        message = await read.json()
    except json.JSONDecodeError as fault:
        return _refused(_PARSE_ERROR, f"The body is not valid JSON: {fault}")
    if not isinstance(message, dict):
        return _refused(_INVALID_REQUEST, "A message must be an object, and one a request")
    return _McpReply(await read.body())


def _refused(code: int, reason: str) -> Response:
    error = {"code": code, "message": reason}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)


class _McpReply(Response):
    """Hands one message to the package's transport, and ends its work when the client leaves."""

    def __init__(self, message: bytes) -> None:
        super().__init__()
        self._message = message

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, unless the client leaves first; one that leaves with its answer is no fault."""
        server, has_begun = await asyncio.to_thread(_server), False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await unless_disconnected(receive, self._answer(server, scope, noting))
        except DisconnectedError:
            if not has_begun:
                raise

    async def _answer(self, server: "Server[Any]", scope: Scope, send: Send) -> None:
        from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

        unread: list[Message] = [{"type": "http.request", "body": self._message}]

        async def receive() -> Message:
            if not unread:
                await asyncio.Event().wait()  # `unless_disconnected` watches for the rest
            return unread.pop()

        # One a message: what fails in one of its tasks ends all the others.
        manager = StreamableHTTPSessionManager(
            server, stateless=True, json_response=True, max_request_body_size=_NO_LIMIT
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)


@cache
def _server() -> "Server[Any]":
    from graphs.api.mcp.server import build_server

    return build_server()
