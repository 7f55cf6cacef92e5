"""The OpenAPI description: FastAPI's, in words that every generator of clients reads."""

from typing import Any

from fastapi import FastAPI


def describe(app: FastAPI) -> None:
    """Makes `app.openapi` write a value that is always the same as an enum of one.

    `const` is newer than what many generators know (openapi-generator, for one, drops it).
    """
    written = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _with_enums(written())
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation extends it


def _with_enums(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_enums(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _with_enums(one) for name, one in node.items() if name != "const"}
    return plain | ({"enum": [node["const"]]} if "const" in node else {})
