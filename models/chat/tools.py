"""The tools that a request offers to the model, and how far the model has to call them."""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from models.errors import InvalidInputError

MAX_TOOLS = 128
# What a schema may hold whose properties are all that it speaks of.
PLAIN_KEYS = frozenset(
    {
        *("type", "properties", "required", "title", "description", "additionalProperties"),
        *("$schema", "$id", "$defs", "definitions", "examples", "default", "strict"),
    }
)
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Tool:
    """A function that the client can run.

    Attributes:
        name: 1 to 64 letters, digits, `_`, `.` or `-`.
        description: for the model; empty: none.
        parameters: JSON schema of its arguments, an object, as text.
    """

    name: str
    description: str = ""
    parameters: str = '{"type": "object", "properties": {}}'

    def __post_init__(self) -> None:
        """Refuses a name that no call could have, and parameters that are no object."""
        if not _NAME.fullmatch(self.name):
            msg = (
                "the name of a tool must have 1 to 64 letters, digits, '_', '.' or '-', "
                f"got {self.name[:80]!r}"
            )
            raise InvalidInputError(msg)
        self.schema()

    def schema(self) -> dict[str, Any]:
        """Gives the schema of the arguments: of an object, without parameters that it lacks.

        Raises:
            InvalidInputError: it is no JSON object, or its `type` is another one.
        """
        schema: dict[str, Any] | None
        try:
            schema = json.loads(self.parameters)
        except (ValueError, RecursionError):
            schema = None
        if not isinstance(schema, dict) or schema.get("type", "object") != "object":
            msg = (
                f"the parameters of tool {self.name!r} must be a JSON schema of type 'object', "
                f"got {self.parameters[:80]!r}"
            )
            raise InvalidInputError(msg)
        schema = {name: value for name, value in schema.items() if value is not None}
        declared, required = schema.get("properties", {}), schema.get("required", [])
        is_read = isinstance(declared, dict) and isinstance(required, list)
        if not is_read or not all(isinstance(name, str) for name in required):
            msg = (
                f"of the parameters of tool {self.name!r}, properties must be an object and "
                f"required a list of strings, got {self.parameters[:80]!r}"
            )
            raise InvalidInputError(msg)
        is_plain = PLAIN_KEYS.issuperset(schema) and set(required) <= set(declared)
        if is_plain:  # what is not declared is not asked for
            schema = {"properties": {}, "additionalProperties": False} | schema
        return schema if "$ref" in schema else {"type": "object"} | schema

    def as_json(self) -> dict[str, Any]:
        """Gives the tool as chat templates and OpenAI write it."""
        function = {"name": self.name, "description": self.description}
        return {
            "type": "function",
            "function": function | {"parameters": json.loads(self.parameters)},
        }


@dataclass(frozen=True, kw_only=True)
class ToolUse:
    """The tools of a request.

    Attributes:
        tools: 1 to 128, no two of one name.
        choice: `auto`: the model answers or calls; `required`: it calls.
        named: the only tool that it may call, and must; None: any of them.
        parallel: whether it may call several at once.
        answer: JSON schema that an answer in the place of calls is held to, as text; None: any.
    """

    tools: tuple[Tool, ...]
    choice: Literal["auto", "required"] = "auto"
    named: str | None = None
    parallel: bool = True
    answer: str | None = None

    def __post_init__(self) -> None:
        """Checks the number of tools and their names."""
        names = [tool.name for tool in self.tools]
        if not 1 <= len(names) <= MAX_TOOLS:
            raise InvalidInputError(f"tools must hold 1 to {MAX_TOOLS} tools, got {len(names)}")
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InvalidInputError(f"tools must have names of their own, got {twice[0]!r} twice")
        if self.named is not None and self.named not in names:
            msg = f"tool_choice must name one of {', '.join(names)[:200]}, got {self.named[:80]!r}"
            raise InvalidInputError(msg)

    @property
    def callable(self) -> tuple[Tool, ...]:
        """The tools that may be called."""
        return tuple(tool for tool in self.tools if self.named in {None, tool.name})

    @property
    def is_forced(self) -> bool:
        """Whether there has to be a call."""
        return self.choice == "required" or self.named is not None
