"""The error shapes of other servers, on the paths that only their clients ask. Pure ASGI.

    ours    {"error": {"message": ..., "type": ..., "param": ..., "code": ...}}
    Cohere  {"id": ..., "message": ...}              https://docs.cohere.com/reference/errors
    TEI     {"error": ..., "error_type": ...}        https://huggingface.github.io/text-embeddings-inference

What failed, and with which status, is settled before; here it is only told in other words. vLLM's
errors are shaped like OpenAI's, so its paths need nothing.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Told = Mapping[str, str | None]


class CohereError(BaseModel):
    """An error in Cohere's words."""

    id: str
    message: str


class TeiError(BaseModel):
    """An error in the words of Text Embeddings Inference."""

    error: str
    error_type: str


# What routers say of the errors of their routes.
COHERE_ERRORS: dict[int | str, dict[str, Any]] = {"default": {"model": CohereError}}
TEI_ERRORS: dict[int | str, dict[str, Any]] = {"default": {"model": TeiError}}


def _cohere(error: Told, request_id: str) -> Told:
    return {"id": request_id, "message": error["message"]}


def _tei(error: Told, _request_id: str) -> Told:
    is_ours = error["type"] == "server_error"
    return {"error": error["message"], "error_type": "Backend" if is_ours else "Validation"}


_SHAPES: Mapping[str, Callable[[Told, str], Told]] = {
    "/v1/embed": _cohere,
    "/v2/embed": _cohere,
    "/embed": _tei,
    "/info": _tei,
    "/health": _tei,
}


class DialectErrors:
    """Writes the errors of some paths anew."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on."""
        path = scope["path"].removeprefix(scope.get("root_path", "")) if "path" in scope else ""
        shape = _SHAPES.get(path)
        if scope["type"] != "http" or shape is None:
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def send_in_shape(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and message["status"] >= 400:
                start = message
                return
            if start is None:
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                told = shape(json.loads(body)["error"], scope["state"]["request_id"])
                body = json.dumps(told).encode()
                MutableHeaders(scope=start)["content-length"] = str(len(body))
                await send(start)
                await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, send_in_shape)
