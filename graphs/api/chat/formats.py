"""The form that a request wants its answer in: OpenAI's `response_format`, vLLM's fields.

    response_format       text | json_object | json_schema
    structured_outputs    one of json, regex, choice, grammar, json_object
    guided_*              the older names of the same four

At most one of them. What it says becomes the constraint of the answer.
"""

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from graphs.api.border.bodies.strict_json import RequestModel
from graphs.api.errors import BadRequestError
from models.constraints import JSON_OBJECT, Constraint, Grammar, JsonSchema, Regex
from models.errors import InvalidInputError

Schema = dict[str, Any] | str
Choice = Annotated[list[str], Field(min_length=1, max_length=1024)]


class TextFormat(RequestModel):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(RequestModel):
    """Any JSON object."""

    type: Literal["json_object"]


class NamedSchema(RequestModel):
    """A JSON schema with a name; `strict` or not, the answer is held to it."""

    name: str
    description: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None


class JsonSchemaFormat(RequestModel):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")
]


class StructuredOutputs(RequestModel):
    """vLLM's field: one of these."""

    json_: Schema | None = Field(default=None, alias="json")
    regex: str | None = None
    choice: Choice | None = None
    grammar: str | None = None
    json_object: bool | None = None


class FormatFields(RequestModel):
    """The fields of a body that say which form its answer has."""

    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    guided_json: Schema | None = None
    guided_regex: str | None = None
    guided_choice: Choice | None = None
    guided_grammar: str | None = None


def constraint_of(body: FormatFields) -> tuple[str, Constraint] | None:
    """Reads what the answer is held to, and the field that says so.

    Raises:
        BadRequestError: it is outside its limits, or several fields say something.
    """
    try:
        found = list(_found(body))
    except InvalidInputError as err:
        param = next(name for name in FormatFields.model_fields if getattr(body, name) is not None)
        raise BadRequestError(str(err), param=param) from err
    if len(found) > 1:
        names = " and ".join(name for name, _ in found)
        msg = f"an answer has one form, but {names} ask for {len(found)}"
        raise BadRequestError(msg, param=found[1][0])
    return found[0] if found else None


def _found(body: FormatFields) -> Iterator[tuple[str, Constraint]]:
    said = body.structured_outputs or StructuredOutputs()
    fields: list[tuple[str, Any, Callable[[Any], Constraint | None]]] = [
        ("response_format", body.response_format, _response_format),
        ("structured_outputs.json", said.json_, _schema),
        ("structured_outputs.regex", said.regex, _regex),
        ("structured_outputs.choice", said.choice, one_of),
        ("structured_outputs.grammar", said.grammar, _grammar),
        ("structured_outputs.json_object", said.json_object or None, lambda _: JSON_OBJECT),
        ("guided_json", body.guided_json, _schema),
        ("guided_regex", body.guided_regex, _regex),
        ("guided_choice", body.guided_choice, one_of),
        ("guided_grammar", body.guided_grammar, _grammar),
    ]
    for name, value, read in fields:
        constraint = None if value is None else read(value)
        if constraint is not None:
            yield name, constraint


def _response_format(wanted: ResponseFormat) -> Constraint | None:
    match wanted:
        case JsonSchemaFormat():
            return _schema(wanted.json_schema.schema_ or {})
        case JsonObjectFormat():
            return JSON_OBJECT
        case _:
            return None


def _regex(pattern: str) -> Regex:
    return Regex(pattern=pattern)


def _grammar(rules: str) -> Grammar:
    return Grammar(rules=rules)


def _schema(schema: Schema) -> JsonSchema:
    return JsonSchema(schema=schema if isinstance(schema, str) else json.dumps(schema))


def one_of(texts: list[str]) -> Grammar:
    """Holds an answer to one of some texts, character by character.

    Unlike `Choices`, which the server quotes with, no blank may stand before it.
    """
    return Grammar(
        rules="start: " + " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
    )
