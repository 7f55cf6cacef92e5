"""The OpenAPI description: FastAPI's, in words that every generator of clients reads.

const           an enum of one: `const` is newer than what many know (openapi-generator drops it)
null            left out where it is sent: it says the same as leaving a field out, and a client
that is made of the description shall not have to think of two ways to say nothing
never null      replies leave these out instead
values          that the API has and a type of the openai package lacks
"""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

Node = dict[str, Any]
_REF = "#/components/schemas/"
_MAY_BE_NULL = {"metadata", "attributes"}  # as OpenAI describes them: null empties them
# Types of the openai package say that these may be null; our replies leave them out.
_NEVER_NULL = {
    "tool_calls", "annotations", "function_call", "system_fingerprint", "status_details",
}  # fmt: skip
_LACKED = {("FileObject", "purpose"): ["evals"]}


def describe(app: FastAPI) -> None:
    """Makes `app.openapi` write the description so."""
    written = app.openapi

    def openapi() -> Node:
        if app.openapi_schema is None:
            app.openapi_schema = _plain(_with_enums(written()))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation extends it


def _with_enums(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_enums(one) for one in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _with_enums(one) for name, one in node.items() if name != "const"}
    return plain | ({"enum": [node["const"]]} if "const" in node else {})


def _plain(document: Node) -> Node:
    """Takes the nulls out that need not be told; changes the document."""
    schemas: dict[str, Node] = document["components"]["schemas"]
    operations = [one for item in document["paths"].values() for one in item.values()]
    replied = _reached([one.get("responses", {}) for one in operations], schemas)
    for operation in operations:
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = _without_null(parameter["schema"])
    for name, schema in schemas.items():
        for field, one in schema.get("properties", {}).items():
            is_sent = name not in replied and field not in _MAY_BE_NULL
            if is_sent or field in _NEVER_NULL:
                schema["properties"][field] = _without_null(one)
    for (name, field), values in _LACKED.items():
        schemas[name]["properties"][field]["enum"] += values
    return document


def _without_null(schema: Node) -> Node:
    """Takes the branch away that allows null, and the union when one branch is left."""
    branches = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(branches) == len(schema.get("anyOf", ())):
        return schema
    rest = {name: one for name, one in schema.items() if name != "anyOf"}
    if rest.get("default", 0) is None:
        del rest["default"]
    return branches[0] | rest if len(branches) == 1 else rest | {"anyOf": branches}


def _reached(nodes: list[Any], schemas: dict[str, Node]) -> set[str]:
    """Names the schemas that these nodes refer to, at any depth."""
    reached: set[str] = set()
    waiting = [name for node in nodes for name in _references(node)]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _references(schemas[name])
    return reached


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if str(node.get("$ref", "")).startswith(_REF):
            yield node["$ref"].removeprefix(_REF)
        for one in node.values():
            yield from _references(one)
    elif isinstance(node, list):
        for one in node:
            yield from _references(one)
