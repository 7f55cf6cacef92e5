"""The schemas of arguments that are written one by one: all there may be, and which are texts."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from models.chat.tools import PLAIN_KEYS, Tool
from models.errors import InvalidInputError

_NOTES = frozenset({"title", "description", "default", "examples"})
_MAX_DEPTH = 8
_MAX_VARIANTS = 64  # of the arguments of a tool: choices within choices multiply
SECTIONS = ("$defs", "definitions")
_NAME = re.compile(r"[^\s<>=\"'(),\[\]{}\ud800-\udfff]{1,64}")
_NULL = {"type": "null"}


def without_null(schema: Any) -> tuple[Any, bool]:
    """Gives a schema without the null that it lets through beside strings, and whether it does."""
    if not isinstance(schema, dict):
        return schema, False
    if schema.get("type") in (["string", "null"], ["null", "string"]) and "enum" not in schema:
        return {**schema, "type": "string"}, True
    either = schema.get("anyOf")
    if isinstance(either, list) and len(either) == 2 and _NULL in either:
        one = either[1 - either.index(_NULL)]
        if isinstance(one, dict) and _NOTES.issuperset(set(schema) - {"anyOf"}):
            return one, True
    return schema, False


def variants(tool: Tool) -> list[dict[str, Any]]:
    """Gives what the arguments may be: schemas of which each lists all of its parameters.

    Raises:
        InvalidInputError: there is more to the arguments than parameters, or too much of it.
    """
    root = tool.schema()
    found = list(islice(_resolved(tool, root, root, depth=0), _MAX_VARIANTS + 1))
    if len(found) > _MAX_VARIANTS:
        raise refusal(tool, f"leave at most {_MAX_VARIANTS} choices of parameters", "more")
    return found


def _resolved(
    tool: Tool, root: dict[str, Any], schema: dict[str, Any], *, depth: int
) -> Iterator[dict[str, Any]]:
    """Follows references and choices at the top of a schema, where the parameters are told."""
    if depth > _MAX_DEPTH:
        raise refusal(tool, f"have at most {_MAX_DEPTH} references in a row", "more")
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        found = _defined(tool, root, schema["$ref"])
        yield from _resolved(tool, root, _joined(tool, rest, found), depth=depth + 1)
    elif isinstance(choices := schema.get("anyOf"), list) and choices:
        rest = {key: value for key, value in schema.items() if key != "anyOf"}
        for one in choices:
            yield from _resolved(tool, root, _joined(tool, rest, one), depth=depth + 1)
    else:
        yield _checked(tool, schema)


def _joined(tool: Tool, schema: dict[str, Any], more: Any) -> dict[str, Any]:
    if not isinstance(more, dict):
        return schema
    declared, required = more.get("properties", {}), more.get("required", [])
    if not isinstance(declared, dict) or not isinstance(required, list):
        raise refusal(tool, "have properties that are an object, and required a list", "others")
    declared = {**schema.get("properties", {}), **declared}
    required = [*schema.get("required", []), *required]
    return {**schema, **more, "properties": declared, "required": required}


def _defined(tool: Tool, root: dict[str, Any], reference: Any) -> Any:
    section, _, name = str(reference).removeprefix("#/").partition("/")
    defined = root.get(section) if section in SECTIONS else None
    found = defined.get(name) if isinstance(defined, dict) else None
    if found is None:
        raise refusal(tool, f"have its references in {' or '.join(SECTIONS)}", reference)
    return found


def _checked(tool: Tool, schema: dict[str, Any]) -> dict[str, Any]:
    if more := sorted(set(schema) - PLAIN_KEYS):
        raise refusal(tool, "hold properties alone", more[0])
    declared: dict[str, Any] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    for name in [*declared, *required]:
        if not isinstance(name, str) or name not in declared or not _NAME.fullmatch(name):
            raise refusal(tool, "declare its parameters by names without marks", str(name)[:80])
        if not isinstance(declared[name], dict | bool):
            raise refusal(tool, f"tell of {name!r} by a schema", str(declared[name])[:80])
    return {**schema, "properties": declared, "required": required}


def refusal(tool: Tool, duty: str, got: object) -> InvalidInputError:
    """Makes the error of a schema that is more than its parameters."""
    return InvalidInputError(
        "this model writes arguments one by one, so the schema of tool "
        f"{tool.name!r} must {duty}, got {got!r}"
    )
