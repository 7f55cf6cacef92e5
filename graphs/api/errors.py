"""The one table from error to HTTP status, and the one shape in which every error is sent.

    ApiError
    |- BadRequestError       the request is readable but asks for what is not served
    |- BodyTooLargeError     413
    |- BodyTimeoutError      408
    |- BodyCodedError        415
    |- KeyReusedError        422
    |- ResumeMismatchError   409
    |- DisconnectedError     the client is gone: nothing can be sent
    |  `- StalledError       the client stopped reading its stream
    `- NotReadyError         503 of /readyz

These never cross a deployment handle, so BadRequestError may have an `__init__`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from graphs.errors import (
    DeadlineError,
    GraphError,
    OverloadedError,
    PoisonRequestError,
    StageUnavailableError,
    UnknownModelError,
)
from index.errors import (
    CorpusError,
    CorpusUnavailableError,
    FingerprintMismatchError,
    InvalidAnswerError,
    InvalidAttributesError,
    InvalidChunkingError,
    InvalidFileBatchError,
    InvalidFileError,
    InvalidFilterError,
    InvalidLimitError,
    InvalidSearchError,
    UnknownAnswerError,
    UnknownBeforeError,
    UnknownCursorError,
    UnknownFileBatchError,
    UnknownFileError,
    UnknownStoreError,
    UnknownStoreFileError,
    UnknownUploadError,
    UnsupportedFileError,
)
from models.errors import (
    ContextLengthError,
    EngineStoppedError,
    InvalidInputError,
    ModelChangedError,
    ModelError,
)

logger = logging.getLogger(__name__)


class ApiError(Exception):
    """Root of the tree."""

    code: str | None = "server_error"


class BadRequestError(ApiError, ValueError):
    """The request asks for something that is not served.

    Args:
        message: what is wrong, with value and limit.
        param: the field, as a path such as `messages[0].content`.
        code: a stable name of the fault.
    """

    def __init__(
        self, message: str, *, param: str | None = None, code: str | None = "invalid_value"
    ) -> None:
        super().__init__(message)
        self.param = param
        self.code = code


def unknown_model(name: str) -> UnknownModelError:
    """Makes the error for a model that is not served."""
    return UnknownModelError(f"The model '{name}' is not served here; see /v1/models")


class BodyTooLargeError(ApiError, HTTPException):
    """The body exceeds its limit; an HTTPException, since FastAPI lets only those pass."""

    code = "body_too_large"


class BodyTimeoutError(ApiError, HTTPException):
    """The body did not arrive in time."""

    code = "body_timeout"


class BodyCodedError(ApiError, HTTPException):
    """The body is compressed."""

    code = "unsupported_content_encoding"


class KeyReusedError(ApiError, ValueError):
    """An `Idempotency-Key` came with another body than before."""

    code = "idempotency_key_reused"


class ResumeMismatchError(ApiError, ValueError):
    """The events that a reconnecting client has belong to another answer."""

    code = "resume_mismatch"


class DisconnectedError(ApiError, ConnectionError):
    """The client has closed the connection."""


class StalledError(DisconnectedError):
    """The client has not read from its stream for too long."""


class NotReadyError(ApiError, RuntimeError):
    """A stage cannot answer yet."""

    code = "not_ready"


@dataclass(frozen=True, kw_only=True)
class ErrorKind:
    """How one class of errors is told.

    Attributes:
        param: the request field at fault where that is always the same.
        retry_after_s: sent as `retry-after` and `retry-after-ms`.
        message: sent in place of the error's own text, which may hold paths or internals.
    """

    status: int
    type: str
    param: str | None = None
    retry_after_s: int | None = None
    message: str | None = None


_INVALID = "invalid_request_error"
_SERVER = "server_error"
_FAILED = (
    "The server failed to answer. Its log has the reason under the x-request-id of this reply."
)
_FAILURE = ErrorKind(status=500, type=_SERVER, message=_FAILED)

ERROR_TABLE: Mapping[type[Exception], ErrorKind] = {
    Exception: _FAILURE,
    # graphs
    GraphError: _FAILURE,
    UnknownModelError: ErrorKind(status=404, type=_INVALID, param="model"),
    StageUnavailableError: ErrorKind(status=503, type=_SERVER, retry_after_s=2),
    PoisonRequestError: ErrorKind(status=500, type=_SERVER),
    DeadlineError: ErrorKind(status=504, type=_SERVER),
    OverloadedError: ErrorKind(status=503, type=_SERVER, retry_after_s=1),
    # models
    ModelError: _FAILURE,
    InvalidInputError: ErrorKind(status=400, type=_INVALID),
    ContextLengthError: ErrorKind(status=400, type=_INVALID, param="messages"),
    EngineStoppedError: ErrorKind(
        status=503, type=_SERVER, retry_after_s=2, message="The generator restarts. Try again."
    ),
    ModelChangedError: ErrorKind(
        status=409,
        type=_INVALID,
        message="The model that began this answer is not served any more. Ask again.",
    ),
    # index
    CorpusError: _FAILURE,
    UnknownFileError: ErrorKind(status=404, type=_INVALID, param="file_id"),
    UnknownStoreError: ErrorKind(status=404, type=_INVALID, param="vector_store_id"),
    UnknownUploadError: ErrorKind(status=404, type=_INVALID, param="upload_id"),
    UnknownStoreFileError: ErrorKind(status=404, type=_INVALID, param="file_id"),
    UnknownFileBatchError: ErrorKind(status=404, type=_INVALID, param="batch_id"),
    UnknownAnswerError: ErrorKind(status=404, type=_INVALID),
    UnknownCursorError: ErrorKind(status=400, type=_INVALID, param="after"),
    UnknownBeforeError: ErrorKind(status=400, type=_INVALID, param="before"),
    UnsupportedFileError: ErrorKind(status=400, type=_INVALID),
    InvalidFileError: ErrorKind(status=400, type=_INVALID),
    InvalidLimitError: ErrorKind(status=400, type=_INVALID),
    InvalidFilterError: ErrorKind(status=400, type=_INVALID),
    InvalidChunkingError: ErrorKind(status=400, type=_INVALID),
    InvalidAttributesError: ErrorKind(status=400, type=_INVALID),
    InvalidFileBatchError: ErrorKind(status=400, type=_INVALID, param="files"),
    InvalidAnswerError: ErrorKind(status=400, type=_INVALID),
    InvalidSearchError: ErrorKind(status=400, type=_INVALID),
    FingerprintMismatchError: ErrorKind(status=409, type=_INVALID),
    CorpusUnavailableError: ErrorKind(
        status=503, type=_SERVER, retry_after_s=2, message="The corpus is out of reach. Try again."
    ),
    ApiError: _FAILURE,
    BadRequestError: ErrorKind(status=400, type=_INVALID),
    BodyTooLargeError: ErrorKind(status=413, type=_INVALID),
    BodyTimeoutError: ErrorKind(status=408, type=_INVALID),
    BodyCodedError: ErrorKind(status=415, type=_INVALID, param="Content-Encoding"),
    KeyReusedError: ErrorKind(status=422, type=_INVALID, param="Idempotency-Key"),
    ResumeMismatchError: ErrorKind(status=409, type=_INVALID, param="Last-Event-ID"),
    NotReadyError: ErrorKind(status=503, type=_SERVER, retry_after_s=2),
}

# The trees whose errors carry a `code` for clients.
_OURS = (ApiError, GraphError, ModelError, CorpusError)
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


def kind_of(error: Exception) -> ErrorKind:
    """Finds the entry of the nearest class in the table."""
    return next(ERROR_TABLE[cls] for cls in type(error).__mro__ if cls in ERROR_TABLE)


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
            code=error.code if isinstance(error, _OURS) else _SERVER,
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


async def _on_error(request: Request, error: Exception) -> JSONResponse:
    kind = kind_of(error)
    if kind.status >= 500:
        logger.warning(
            "request %s: %s: %s", request.state.request_id, type(error).__name__, error,
            exc_info=error if kind is _FAILURE else None,
        )  # fmt: skip
    # A chat names its store in another field than the routes of stores do.
    is_store = isinstance(error, UnknownStoreError)
    param = getattr(request.state, "store_param", None) if is_store else None
    return error_response(error, param=param)


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code in {404, 405}:
        message = f"{message}: {request.method} {request.url.path}"
    body = ErrorBody(
        message=message, type=_INVALID, param=None, code=_HTTP_CODES.get(error.status_code)
    )
    return JSONResponse(ErrorReply(error=body).model_dump(), error.status_code, error.headers)


def install_error_handlers(app: FastAPI) -> None:
    """Makes every error of every route leave in the one shape."""
    app.add_exception_handler(HTTPException, _on_http_exception)
    of_http = (
        BadRequestError, KeyReusedError, ResumeMismatchError, BodyTooLargeError, BodyTimeoutError,
        BodyCodedError,
    )  # fmt: skip
    for handled in _OURS[1:] + of_http:
        app.add_exception_handler(handled, _on_error)
