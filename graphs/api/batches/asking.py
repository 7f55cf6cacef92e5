"""One line of a batch as a request to our own routes, and its reply as a line of a file.

What a line may ask, what it is answered and which errors it gets is what the route says: a line is
sent through the whole application, as if a client had sent it.
"""

import asyncio
import json
import uuid
from dataclasses import dataclass, replace

from pydantic_core import from_json, to_json
from starlette.types import ASGIApp, Message, Scope

from graphs.api.accounting.billing import ONCE
from graphs.api.batches.batch_input import Line
from graphs.api.border.public_url import ASKED_UNDER
from graphs.api.border.traffic import IN_BATCH
from graphs.caller import Caller
from index.catalog.batches.records import LineResult

NO_ROOM = frozenset({429, 503})  # replies after which a line is asked again
_OTHER_LINE_ENDS = "\x85\u2028\u2029"  # to str.splitlines of clients
# What has no meaning where nobody reads the reply as it comes.
_REFUSED = ("stream", "background")
_KEEPING = frozenset({"/v1/responses"})  # endpoints whose answers are kept


@dataclass(frozen=True)
class Reply:
    """A reply to a line: its body is JSON."""

    status: int
    request_id: str
    body: bytes

    @property
    def is_failing(self) -> bool:
        """Whether a stage did not answer, which is no want of room."""
        return self.status == 503 and b'"code":"overloaded"' not in self.body.replace(b" ", b"")


async def ask(
    app: ASGIApp,
    line: Line,
    *,
    endpoint: str,
    caller: Caller,
    key: str,
    public_url: str | None = None,
) -> Reply:
    """Sends one line through the application.

    Args:
        app: the whole of it, with its borders.
        line: what to ask.
        endpoint: the path of the route.
        caller: whose batch it is.
        key: names the line: it is paid once, however often it is asked, and where answers are
            kept, one that is asked again finds its own.
        public_url: where links in the reply lead; None: they are without a host.
    """
    request_id = f"req_{uuid.uuid4().hex}"
    body = line.body()
    for name in _REFUSED:
        if body.get(name):
            message = f"{name} has no meaning in a batch, whose replies are read when it has ended"
            return Reply(400, request_id, _refusal(message, name, "unsupported_parameter"))
    try:
        text = json.dumps(body)
    except RecursionError:  # how deep one may be depends on who calls
        refusal = _refusal("the body is nested too deeply", None, "invalid_body")
        return Reply(400, request_id, refusal)
    scope = _scope(endpoint, request_id, caller)
    scope["state"] |= {ONCE: key, ASKED_UNDER: public_url}
    if endpoint in _KEEPING:
        scope["headers"].append((b"idempotency-key", key.encode()))
    status, data = await _post(app, scope, text.encode("ascii"))
    return Reply(status, request_id, data)


def result_of(line: Line, reply: Reply) -> LineResult:
    """Writes a reply as OpenAI writes them."""
    body = from_json(reply.body)  # several times as fast as json: a reply may have megabytes
    head = json.dumps({"status_code": reply.status, "request_id": reply.request_id})
    text = reply.body.decode() if b"\n" not in reply.body else json.dumps(body)
    for end in _OTHER_LINE_ENDS:
        text = text.replace(end, f"\\u{ord(end):04x}")
    usage = (isinstance(body, dict) and body.get("usage")) or {}
    return LineResult(
        number=line.number,
        is_error=reply.status >= 400,
        data=_written(line, response=f'{head[:-1]}, "body": {text}}}', error="null"),
        num_input_tokens=usage.get("prompt_tokens") or usage.get("input_tokens") or 0,
        num_output_tokens=usage.get("completion_tokens") or usage.get("output_tokens") or 0,
    )


def error_result(line: Line, code: str, message: str, *, is_left: bool) -> LineResult:
    """Writes that a line has no reply; `is_left`: since it was never asked."""
    error = json.dumps({"code": code, "message": message})
    data = _written(line, response="null", error=error)
    return LineResult(number=line.number, is_error=True, is_left=is_left, data=data)


def _written(line: Line, *, response: str, error: str) -> str:
    """Writes a line from parts that are JSON already."""
    head = json.dumps({"id": f"batch_req_{uuid.uuid4().hex}", "custom_id": line.custom_id})
    return f'{head[:-1]}, "response": {response}, "error": {error}}}'


def _refusal(message: str, param: str | None, code: str) -> bytes:
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": param,
        "code": code,
    }
    return to_json({"error": error})


def _scope(endpoint: str, request_id: str, caller: Caller) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": endpoint,
        "raw_path": endpoint.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"content-type", b"application/json"),
            (b"x-request-id", request_id.encode()),
        ],
        "client": None,
        "server": None,
        # Lines come after every class, so what they are told is the last of them.
        "state": {"caller": replace(caller, service_class="flex"), IN_BATCH: True},
    }


async def _post(app: ASGIApp, scope: Scope, body: bytes) -> tuple[int, bytes]:
    """Gives status and body; who cancels this is a client that leaves."""
    is_over = asyncio.Event()
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])
    status, data = 500, b""

    async def receive() -> Message:
        message = next(messages, None)
        if message is None:
            await is_over.wait()
            return {"type": "http.disconnect"}
        return message

    async def send(message: Message) -> None:
        nonlocal status, data
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            data += message.get("body", b"")

    try:
        await app(scope, receive, send)
    finally:
        is_over.set()
    return status, data
