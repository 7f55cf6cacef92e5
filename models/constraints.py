"""What an answer may be held to. An engine serves some kinds and refuses the others by name."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from models.errors import InvalidInputError

ConstraintKind = Literal["choices", "json_schema", "regex", "grammar"]


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


@dataclass(frozen=True, kw_only=True)
class Regex:
    """The whole answer matches a regular expression."""

    kind: ClassVar[ConstraintKind] = "regex"
    pattern: str


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """The answer is a sentence of a context-free grammar in EBNF."""

    kind: ClassVar[ConstraintKind] = "grammar"
    rules: str


Constraint = Choices | JsonSchema | Regex | Grammar
