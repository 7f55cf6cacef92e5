"""What an answer may be held to. An engine serves some kinds and refuses the others by name."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from models.errors import InvalidInputError

ConstraintKind = Literal["choices", "json_schema", "regex", "grammar"]
ALL_KINDS: frozenset[ConstraintKind] = frozenset({"choices", "json_schema", "regex", "grammar"})

MAX_CHARS = 65_536
MAX_DEPTH = 64


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The answer is one of these texts, token by token."""

    kind: ClassVar[ConstraintKind] = "choices"
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuses to hold an answer to nothing."""
        if not self.texts:
            msg = "choices must hold at least 1 text, got 0"
            raise InvalidInputError(msg)


@dataclass(frozen=True, kw_only=True)
class JsonSchema:
    """The answer is a JSON text that fits a schema, itself given as JSON."""

    kind: ClassVar[ConstraintKind] = "json_schema"
    schema: str

    def __post_init__(self) -> None:
        """Refuses what is no schema, or too long or deep to be read in time."""
        _check_size("a JSON schema", self.schema)
        try:
            schema = json.loads(self.schema)
        except (ValueError, RecursionError) as err:
            msg = f"a JSON schema must be JSON, got {self.schema[:80]!r}"
            raise InvalidInputError(msg) from err
        if not isinstance(schema, dict | bool):
            msg = f"a JSON schema must be an object, got {self.schema[:80]!r}"
            raise InvalidInputError(msg)
        if (depth := _depth(schema)) > MAX_DEPTH:
            msg = f"a JSON schema must be at most {MAX_DEPTH} levels deep, got {depth}"
            raise InvalidInputError(msg)


@dataclass(frozen=True, kw_only=True)
class Regex:
    """The whole answer matches a regular expression."""

    kind: ClassVar[ConstraintKind] = "regex"
    pattern: str

    def __post_init__(self) -> None:
        """Refuses what is too long to be read in time."""
        _check_size("a regex", self.pattern)


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """The answer is a sentence of a context-free grammar, in Lark's notation or llama.cpp's."""

    kind: ClassVar[ConstraintKind] = "grammar"
    rules: str

    def __post_init__(self) -> None:
        """Refuses what is too long to be read in time."""
        _check_size("a grammar", self.rules)


def _check_size(name: str, text: str) -> None:
    if not 1 <= len(text) <= MAX_CHARS:
        msg = f"{name} must have 1 to {MAX_CHARS} characters, got {len(text)}"
        raise InvalidInputError(msg)


def _depth(value: object) -> int:
    """Counts levels without recursion, since a hostile value has more than Python allows."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [child for one in level for child in _children(one)]
    return depth


def _children(one: Any) -> Iterable[object]:
    return one.values() if isinstance(one, dict) else one


Constraint = Choices | JsonSchema | Regex | Grammar

JSON_OBJECT = JsonSchema(schema='{"type": "object"}')
