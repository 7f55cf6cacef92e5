"""The one shape in which every error is sent.

See `graphs.api.errors` for the status of each.
"""

import logging
import re

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from graphs.api.errors import (
    FAILURE,
    INVALID,
    SERVER,
    ApiError,
    BadRequestError,
    DisconnectedError,
    kind_of,
)
from graphs.errors import DeadlineError, GraphError, PoisonRequestError
from index.errors import CorpusError, UnknownStoreError
from models.errors import ModelError

logger = logging.getLogger(__name__)

# The trees whose errors carry a `code` for clients.
_OURS = (ApiError, GraphError, ModelError, CorpusError)
_VERSIONED = re.compile(r"(?!/v1/v1/)/(?:v1|v2|openai|admin|page|mcp)(?:/|$)")
_HTTP_CODES = {400: "invalid_body", 404: "unknown_url", 405: "method_not_allowed"}


class ErrorBody(BaseModel):
    """What went wrong. Always these four keys."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """The shape of every error."""

    error: ErrorBody


def reply_of(error: Exception, *, param: str | None = None) -> ErrorReply:
    """Tells an error in the one shape; `param` goes before that of the table.

    Only from our own classes is more read than the text: libraries have attributes of the same
    names with another meaning, such as the `code` of urllib's errors, which is a number.
    """
    kind = kind_of(error)
    text = error.detail if isinstance(error, HTTPException) else str(error)
    return ErrorReply(
        error=ErrorBody(
            message=kind.message or text,
            type=kind.type,
            param=error.param if isinstance(error, BadRequestError) else param or kind.param,
            code=error.code if isinstance(error, _OURS) else SERVER,
        )
    )


def error_response(error: Exception, *, param: str | None = None) -> JSONResponse:
    """Makes the reply for an error, with its headers; `param` as in `reply_of`."""
    kind = kind_of(error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    if kind.retry_after_s is not None:
        headers["retry-after"] = str(kind.retry_after_s)
        headers["retry-after-ms"] = str(kind.retry_after_s * 1000)
    if kind.status == 409 or isinstance(error, PoisonRequestError | DeadlineError):
        headers["x-should-retry"] = "false"  # the OpenAI clients retry every 409 and 5xx otherwise
    return JSONResponse(reply_of(error, param=param).model_dump(), kind.status, headers)


def log_fault(request: Request, error: Exception) -> None:
    """Logs what is the server's own fault."""
    kind = kind_of(error)
    if kind.status >= 500:
        logger.warning(
            "request %s: %s: %s", request.state.request_id, type(error).__name__, error,
            exc_info=error if kind is FAILURE else None,
        )  # fmt: skip


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    log_fault(request, error)
    # A chat names its store in another field than the routes of stores do.
    is_store = isinstance(error, UnknownStoreError)
    param = getattr(request.state, "store_param", None) if is_store else None
    return error_response(error, param=param)


async def _on_disconnect(_: Request, error: Exception) -> JSONResponse:
    """Nobody is there to be answered: LastResort notes it."""
    raise error


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code in {404, 405}:
        message = f"{message}: {request.method} {request.url.path}"
    if error.status_code == 404 and not _VERSIONED.match(request.url.path):
        message += "; paths of OpenAI's API begin with /v1, so a base URL has to end with it, once"
    body = ErrorBody(
        message=message, type=INVALID, param=None, code=_HTTP_CODES.get(error.status_code)
    )
    return JSONResponse(ErrorReply(error=body).model_dump(), error.status_code, error.headers)


def install_error_handlers(app: FastAPI) -> None:
    """Makes every error of every route leave in the one shape."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(DisconnectedError, _on_disconnect)
    for handled in _OURS:
        app.add_exception_handler(handled, _on_error)
