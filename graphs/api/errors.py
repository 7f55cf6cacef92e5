"""The errors of the API, and the one table from error to HTTP status.

    ApiError
    |- BadRequestError       the request is readable but asks for what is not served
    |- BodyTooLargeError     413
    |- BodyTimeoutError      408
    |- BodyCodedError        415
    |- OriginError           403
    |- UnauthenticatedError  401
    |- ForbiddenError        403
    |- LimitedError          429
    |- HostError             403
    |- KeyReusedError        422
    |- ResumeMismatchError   409
    |- UnknownRequestError   404
    |- UnknownTenantError    404
    |- DisconnectedError     the client is gone: nothing can be sent
    |  `- StalledError       the client stopped reading its stream
    `- NotReadyError         503 of /readyz

These never cross a deployment handle, so BadRequestError may have an `__init__`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

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
    EndedBatchError,
    ExistingResponseError,
    FingerprintMismatchError,
    InvalidAnswerError,
    InvalidAttributesError,
    InvalidChunkingError,
    InvalidFileBatchError,
    InvalidFileError,
    InvalidFilterError,
    InvalidKeyError,
    InvalidLimitError,
    InvalidSearchError,
    NotWritableError,
    StoredLimitError,
    UnknownAnswerError,
    UnknownBatchError,
    UnknownBeforeError,
    UnknownCursorError,
    UnknownFeedbackError,
    UnknownFileBatchError,
    UnknownFileError,
    UnknownKeyError,
    UnknownStoreError,
    UnknownStoreFileError,
    UnknownUploadError,
    UnsupportedFileError,
    UploadsFullError,
)
from models.errors import (
    ContextLengthError,
    EngineStoppedError,
    InvalidInputError,
    ModelChangedError,
    ModelError,
    UnknownAdapterError,
)


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
    """The body is compressed in a way that is not read."""

    code = "unsupported_content_encoding"


class OriginError(ApiError, PermissionError):
    """A web page asks that the settings do not name."""

    code = "origin_not_allowed"


class UnauthenticatedError(ApiError, PermissionError):
    """The request came without an API key that may be used."""

    code = "invalid_api_key"


class ForbiddenError(ApiError, PermissionError):
    """The API key does not allow the request."""

    code = "insufficient_scope"


class LimitedError(ApiError, HTTPException):
    """A limit of the caller is used up; the headers say for how long."""

    code = "rate_limit_exceeded"


class HostError(ApiError, PermissionError):
    """The server is asked by a name that the settings do not have."""

    code = "host_not_allowed"


class KeyReusedError(ApiError, ValueError):
    """An `Idempotency-Key` came with another body than before."""

    code = "idempotency_key_reused"


class ResumeMismatchError(ApiError, ValueError):
    """The events that a reconnecting client has belong to another answer."""

    code = "resume_mismatch"


class UnknownRequestError(ApiError, LookupError):
    """No request of this id is kept here."""

    code = "request_not_kept"


class UnknownTenantError(ApiError, LookupError):
    """There is no such tenant for whoever asks."""

    code = "tenant_not_found"


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


INVALID = "invalid_request_error"
SERVER = "server_error"
LIMITED = "rate_limit_error"
_FAILED = (
    "The server failed to answer. Its log has the reason under the x-request-id of this reply."
)
FAILURE = ErrorKind(status=500, type=SERVER, message=_FAILED)

ERROR_TABLE: Mapping[type[Exception], ErrorKind] = {
    Exception: FAILURE,
    # graphs
    GraphError: FAILURE,
    UnknownModelError: ErrorKind(status=404, type=INVALID, param="model"),
    StageUnavailableError: ErrorKind(status=503, type=SERVER, retry_after_s=2),
    PoisonRequestError: ErrorKind(status=500, type=SERVER),
    DeadlineError: ErrorKind(status=504, type=SERVER),
    OverloadedError: ErrorKind(status=503, type=SERVER, retry_after_s=1),
    # models
    ModelError: FAILURE,
    InvalidInputError: ErrorKind(status=400, type=INVALID),
    UnknownAdapterError: ErrorKind(status=404, type=INVALID, param="model"),
    ContextLengthError: ErrorKind(status=400, type=INVALID, param="messages"),
    EngineStoppedError: ErrorKind(
        status=503, type=SERVER, retry_after_s=2, message="The generator restarts. Try again."
    ),
    ModelChangedError: ErrorKind(
        status=409,
        type=INVALID,
        message="The model that began this answer is not served any more. Ask again.",
    ),
    # index
    CorpusError: FAILURE,
    UnknownFileError: ErrorKind(status=404, type=INVALID, param="file_id"),
    UnknownStoreError: ErrorKind(status=404, type=INVALID, param="vector_store_id"),
    UnknownUploadError: ErrorKind(status=404, type=INVALID, param="upload_id"),
    UnknownStoreFileError: ErrorKind(status=404, type=INVALID, param="file_id"),
    UnknownFileBatchError: ErrorKind(status=404, type=INVALID, param="batch_id"),
    UnknownFeedbackError: ErrorKind(status=404, type=INVALID, param="feedback_id"),
    UnknownBatchError: ErrorKind(status=404, type=INVALID, param="batch_id"),
    EndedBatchError: ErrorKind(status=409, type=INVALID, param="batch_id"),
    UnknownKeyError: ErrorKind(status=404, type=INVALID, param="key_id"),
    InvalidKeyError: ErrorKind(status=400, type=INVALID),
    NotWritableError: ErrorKind(
        status=403, type=INVALID, message="The API key does not allow this request."
    ),
    UnknownAnswerError: ErrorKind(status=404, type=INVALID),
    UnknownCursorError: ErrorKind(status=400, type=INVALID, param="after"),
    UnknownBeforeError: ErrorKind(status=400, type=INVALID, param="before"),
    UnsupportedFileError: ErrorKind(status=400, type=INVALID),
    InvalidFileError: ErrorKind(status=400, type=INVALID),
    StoredLimitError: ErrorKind(status=413, type=LIMITED),
    UploadsFullError: ErrorKind(status=429, type=LIMITED, retry_after_s=60),
    InvalidLimitError: ErrorKind(status=400, type=INVALID),
    InvalidFilterError: ErrorKind(status=400, type=INVALID),
    InvalidChunkingError: ErrorKind(status=400, type=INVALID),
    InvalidAttributesError: ErrorKind(status=400, type=INVALID),
    InvalidFileBatchError: ErrorKind(status=400, type=INVALID, param="files"),
    InvalidAnswerError: ErrorKind(status=400, type=INVALID),
    ExistingResponseError: ErrorKind(
        status=409,
        type=INVALID,
        param="Idempotency-Key",
        message="The same is being answered under this Idempotency-Key; ask again for it.",
    ),
    InvalidSearchError: ErrorKind(status=400, type=INVALID),
    FingerprintMismatchError: ErrorKind(status=409, type=INVALID),
    CorpusUnavailableError: ErrorKind(
        status=503, type=SERVER, retry_after_s=2, message="The corpus is out of reach. Try again."
    ),
    ApiError: FAILURE,
    BadRequestError: ErrorKind(status=400, type=INVALID),
    BodyTooLargeError: ErrorKind(status=413, type=INVALID),
    BodyTimeoutError: ErrorKind(status=408, type=INVALID),
    BodyCodedError: ErrorKind(status=415, type=INVALID, param="Content-Encoding"),
    UnauthenticatedError: ErrorKind(status=401, type=INVALID),
    ForbiddenError: ErrorKind(status=403, type=INVALID),
    OriginError: ErrorKind(status=403, type=INVALID, param="Origin"),
    LimitedError: ErrorKind(status=429, type=LIMITED),
    HostError: ErrorKind(status=403, type=INVALID, param="Host"),
    KeyReusedError: ErrorKind(status=422, type=INVALID, param="Idempotency-Key"),
    ResumeMismatchError: ErrorKind(status=409, type=INVALID, param="Last-Event-ID"),
    UnknownRequestError: ErrorKind(status=404, type=INVALID, param="request_id"),
    UnknownTenantError: ErrorKind(status=404, type=INVALID, param="tenant"),
    NotReadyError: ErrorKind(status=503, type=SERVER, retry_after_s=2),
}


def kind_of(error: Exception) -> ErrorKind:
    """Finds the entry of the nearest class in the table."""
    return next(ERROR_TABLE[cls] for cls in type(error).__mro__ if cls in ERROR_TABLE)
