"""What is wrong with a request, in one line: from pydantic's errors to our own shape."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from graphs.api.error_replies import error_response
from graphs.api.errors import BadRequestError

_SOURCES = {"body", "query", "path", "header", "cookie"}
# pydantic's names of faults -> the codes that OpenAI uses.
_CODES = {"missing": "missing_required_parameter", "json_invalid": "invalid_json"}
# How FastAPI words that a part of a form is a field: it takes those without a file name for such.
_TEXT_FOR_FILE = "Expected UploadFile, received: <class 'str'>"


@dataclass(frozen=True, kw_only=True)
class RequestFault:
    """One fault of a request; `param` None means the body as a whole."""

    message: str
    param: str | None
    code: str


def explain(error: RequestValidationError) -> RequestFault:
    """Picks the fault that lies deepest in the body: that branch of a union fits best."""
    faults = [_fault(details, error.body) for details in error.errors()]
    deepest = max(faults, key=lambda fault: _depth(fault.param))
    same_place = [fault for fault in faults if fault.param == deepest.param]
    # A union gives one message a branch.
    message = "; or ".join(dict.fromkeys(fault.message for fault in same_place))
    where = f"{deepest.param}: " if deepest.param else ""
    return RequestFault(message=where + message, param=deepest.param, code=same_place[0].code)


def _fault(details: Mapping[str, Any], body: object) -> RequestFault:
    kind = str(details["type"])
    location: Sequence[str | int] = details["loc"]
    if kind == "json_invalid":
        reason = details["ctx"]["error"]
        message = f"The body is not valid JSON: {reason}"
        return RequestFault(message=message, param=None, code="invalid_json")
    if isinstance(body, bytes):
        message = "Send the body as JSON, with the header `content-type: application/json`"
        return RequestFault(message=message, param=None, code="invalid_json")
    if str(details["msg"]).endswith(_TEXT_FOR_FILE):
        message = 'The part has no file name: send it with `filename="..."` in its header'
        return RequestFault(message=message, param=str(location[-1]), code="invalid_file")
    code = _CODES.get(kind) or ("invalid_type" if kind.endswith("_type") else "invalid_value")
    if kind.startswith(
        ("unsupported_", "unknown_", "invalid_")
    ):  # our own validators name their code
        code = kind
    return RequestFault(message=str(details["msg"]), param=_path(location, body, kind), code=code)


def _path(location: Sequence[str | int], body: object, kind: str) -> str | None:
    """Writes `("body", "messages", 0, "content", "str")` as `messages[0].content`.

    pydantic puts the names of union branches between those of fields; only a walk through the
    body tells them apart.
    """
    names = list(location[1:]) if location[0] in _SOURCES else list(location)
    if location[0] != "body" or not isinstance(body, dict | list):
        return ".".join(str(name) for name in names) or None
    path = ""
    here: object = body
    for position, name in enumerate(names):
        is_missing = kind == "missing" and position == len(names) - 1
        if isinstance(here, list) and isinstance(name, int) and name < len(here):
            path, here = f"{path}[{name}]", here[name]
        elif isinstance(here, dict) and (name in here or is_missing):
            path, here = f"{path}.{name}" if path else str(name), here.get(name)
    return path or None


def _depth(param: str | None) -> int:
    return 0 if param is None else 1 + param.count(".") + param.count("[")


async def on_invalid(_request: Request, error: Exception) -> JSONResponse:
    """Answers for a request that does not fit its schema."""
    assert isinstance(error, RequestValidationError)
    fault = explain(error)
    return error_response(BadRequestError(fault.message, param=fault.param, code=fault.code))
