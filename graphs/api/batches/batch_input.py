"""The input file of a batch: one request a line, as OpenAI has it.

{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {"model": ..., ...}}
"""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from index.catalog.attributes import is_storable
from index.catalog.batches.records import BatchFault

_MAX_FAULTS = 100  # told of one file
_MAX_ID_CHARS = 512
# What every line has to have, and of which type.
_FIELDS = {"custom_id": str, "method": str, "url": str, "body": dict}


@dataclass(frozen=True)
class Line:
    """One request: its place in the file, from 1, and the line as it stands there."""

    number: int
    custom_id: str
    text: bytes

    def body(self) -> dict[str, Any]:
        """Gives what is sent to the endpoint."""
        body: dict[str, Any] = json.loads(self.text)["body"]
        return body


@dataclass(frozen=True)
class BatchInput:
    """A file that was read; it has lines, or faults."""

    lines: tuple[Line, ...]
    faults: tuple[BatchFault, ...]
    model: str | None


def read_input(data: bytes, *, endpoint: str, max_lines: int) -> BatchInput:
    """Reads a whole file; blank lines and a byte order mark are passed over."""
    lines: list[Line] = []
    faults: list[BatchFault] = []
    first_with: dict[str, int] = {}
    model: str | None = None
    for number, text in _texts(data):
        found = _read_line(text, number, endpoint)
        if isinstance(found, BatchFault):
            faults.append(found)
        elif first := first_with.get(found["custom_id"]):
            msg = f"The custom_id {found['custom_id'][:80]!r} is that of line {first} already."
            faults.append(_fault("duplicate_custom_id", msg, number, "custom_id"))
        else:
            first_with[found["custom_id"]] = number
            lines.append(Line(number, found["custom_id"], text))
            if len(lines) == 1:
                model = _model_of(found["body"])
        if len(faults) == _MAX_FAULTS:
            break
    if not lines and not faults:
        faults = [BatchFault(code="empty_file", message="The input file has no requests.")]
    if len(lines) > max_lines:
        msg = f"A batch may have {max_lines} requests, got {len(lines)}."
        faults.append(BatchFault(code="too_many_tasks", message=msg))
    return BatchInput(() if faults else tuple(lines), tuple(faults), model)


def _model_of(body: dict[str, Any]) -> str | None:
    """Gives the model that a request names, if it can be kept; whether it is one says the route."""
    name = body.get("model")
    return name[:_MAX_ID_CHARS] if isinstance(name, str) and is_storable(name) else None


def _texts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Gives the lines that hold something, with their numbers."""
    for number, text in enumerate(data.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        if text.strip():
            yield number, text.strip()


def _read_line(text: bytes, number: int, endpoint: str) -> dict[str, Any] | BatchFault:
    try:
        request = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError):
        request = None
    if not isinstance(request, dict):
        msg = "This line is not parseable as valid JSON."
        return _fault("invalid_json_line", f"{msg} It must be one object.", number, None)
    for name, kind in _FIELDS.items():
        if name not in request:
            msg = f"The line lacks {name}."
            return _fault("missing_required_parameter", msg, number, name)
        if not isinstance(request[name], kind):
            told = {str: "a string", dict: "an object"}[kind]
            return _fault("invalid_type", f"{name} must be {told}.", number, name)
    return _wrong_value(request, number, endpoint) or request


def _wrong_value(request: dict[str, Any], number: int, endpoint: str) -> BatchFault | None:
    if not 1 <= len(request["custom_id"]) <= _MAX_ID_CHARS:
        msg = f"custom_id must have 1..{_MAX_ID_CHARS} characters."
        return _fault("invalid_custom_id", msg, number, "custom_id")
    if request["method"] != "POST":
        msg = f"method must be POST, got {request['method'][:20]!r}."
        return _fault("invalid_method", msg, number, "method")
    if request["url"] != endpoint:
        msg = f"url must be the endpoint of the batch, {endpoint}, got {request['url'][:80]!r}."
        return _fault("url_mismatch", msg, number, "url")
    return None


def _fault(code: str, message: str, line: int, param: str | None) -> BatchFault:
    return BatchFault(code=code, message=message, line=line, param=param)
