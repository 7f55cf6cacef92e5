"""The border for JSON: what may stand in a request body, before any schema looks at it."""

import codecs
import json
import re
from typing import Any

from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response

# One place, so that all schemas agree: wrong types and NaN are refused, unknown fields ignored.
REQUEST_CONFIG = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")
# Only \ud800-\udfff escapes can put half of a surrogate pair into a text.
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


class RequestModel(BaseModel):
    """Base of all request schemas."""

    model_config = REQUEST_CONFIG


class JsonRequest(Request):
    """A request whose JSON is strict UTF-8 without lone surrogates, which no store can hold.

    A byte order mark before it, as some programs of Windows write, is passed over (RFC 8259, 8.1).
    """

    async def json(self) -> Any:
        """Parses the body.

        Raises:
            json.JSONDecodeError: the body is not such JSON; FastAPI tells the client.
        """
        body = await self.body()
        try:
            text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        except UnicodeDecodeError as err:
            raise json.JSONDecodeError("not valid UTF-8", "", err.start) from err
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            raise
        except (RecursionError, ValueError) as err:  # ValueError: an integer of over 4300 digits
            reason = "nested too deeply" if isinstance(err, RecursionError) else "number too long"
            raise json.JSONDecodeError(reason, text, 0) from err
        if match := _SURROGATE_ESCAPE.search(body):
            _refuse_lone_surrogates(value, match.start())
        return value


class JsonRoute(APIRoute):
    """A route that reads its body through JsonRequest."""

    def get_route_handler(self) -> Any:
        """Wraps FastAPI's handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(JsonRequest(request.scope, request.receive))

        return handle


def _refuse_lone_surrogates(value: Any, position: int) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as err:
        raise json.JSONDecodeError("half of a surrogate pair", "", position) from err
