"""The border for JSON: what may stand in a request body, before any schema looks at it."""

import codecs
import json
from typing import Any, Self

from fastapi.routing import APIRoute
from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, from_json
from starlette.requests import Request
from starlette.responses import Response

# The parser's words for what happens to many, and ours.
_CUT_ESCAPE = "an escape that is cut, or half of a surrogate pair"
_REASONS = {
    "invalid unicode code point": "not valid UTF-8",
    "unexpected end of hex escape": _CUT_ESCAPE,
    "lone leading surrogate in hex escape": _CUT_ESCAPE,
}
# What holds other values, as pydantic's core schemas name it.
_CONTAINERS = {"list", "dict", "tuple", "set", "frozenset"}
_MANY = 100  # unknown names, which nobody misspelt
_NO_SCHEMAS = {"default", "metadata", "serialization"}  # parts of core schemas that are none


def _fail_fast(schema: Any) -> None:
    """Lets every container of a core schema stop at its first fault."""
    if isinstance(schema, dict):
        kind = schema.get("type")  # else it is a schema by the name of a field, as that may be
        is_schema = isinstance(kind, str)
        if is_schema and kind in _CONTAINERS:
            schema["fail_fast"] = True
        passed_over = _NO_SCHEMAS if is_schema else set()
        schema = [part for name, part in schema.items() if name not in passed_over]
    if isinstance(schema, list):
        for part in schema:
            _fail_fast(part)


class RequestModel(BaseModel):
    """Base of all request schemas: wrong types and NaN are refused, unknown fields ignored.

    Of a list or an object only the first fault is told: a body of a megabyte may have 300,000, and
    to write them all down took seconds in which a Gateway did nothing else.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Gives the schema that pydantic makes, stopping at the first fault of a container."""
        schema = handler(source)
        _fail_fast(schema)
        return schema


class ClosedModel(RequestModel):
    """A request schema that refuses names which it does not know, too."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_many(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Refuses far too many names at once: each unknown one is a fault of its own."""
        if isinstance(value, dict) and len(value) > len(cls.model_fields) + _MANY:
            reason = "has {num} names, of which {known} may be there"
            counted = {"num": len(value), "known": len(cls.model_fields)}
            raise PydanticCustomError("invalid_value", reason, counted)
        return handler(value)


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
        return await self.app.state.body_turns.read(body, _strictly_parsed)


class JsonRoute(APIRoute):
    """A route that reads its body through JsonRequest."""

    request_class = JsonRequest

    def get_route_handler(self) -> Any:
        """Wraps FastAPI's handler."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(self.request_class(request.scope, request.receive))

        return handle


def _strictly_parsed(body: bytes) -> Any:
    try:
        # Names and short texts are not looked up among those of before: bombs have no two alike.
        return from_json(body.removeprefix(codecs.BOM_UTF8), cache_strings="none")
    except ValueError as err:
        reason = str(err)
        for theirs, ours in _REASONS.items():
            reason = reason.replace(theirs, ours)
        raise json.JSONDecodeError(reason, "", 0) from err
