"""A deployment's `user_config` against the class of its settings: strict, all faults at once.

Strict as JSON is: "no" is not a truth value and 0.5 is no whole number, but 1 is a float and a list
a tuple. Serve itself checks nothing of a `user_config`.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from models.errors import InvalidInputError

Config = TypeVar("Config")
Place = tuple[str | int, ...]
_MAX_SHOWN_CHARS = 200
# What Serve called keys before, where the new name is not near.
_RENAMED = {"max_concurrent_queries": "max_ongoing_requests"}


@dataclass(frozen=True, kw_only=True)
class ConfigFault:
    """What is wrong in one place of a config.

    Attributes:
        where: keys and list indices down to the place; () is the checked value itself.
        key: the key there that the message is about, if it is about one.
        message: what is wrong, with the value and what is allowed.
    """

    where: Place
    message: str
    key: str | None = None

    def under(self, place: Place) -> "ConfigFault":
        """The same in a larger config, in which the checked value stands at `place`."""
        return ConfigFault(where=(*place, *self.where), message=self.message, key=self.key)

    def __str__(self) -> str:
        """The place and the message."""
        place = ".".join(map(str, self.where))
        return f"{place}: {self.message}" if place else self.message


def parse_config(config_class: type[Config], user_config: Mapping[str, Any]) -> Config:
    """Builds the typed settings of a deployment from its `user_config` block.

    Raises:
        InvalidInputError: names every key that is unknown, missing, of the wrong type or outside
            its limits.
    """
    faults = faults_of(config_class, user_config)
    if faults:
        raise InvalidInputError(f"user_config: {'; '.join(map(str, faults))}")
    return _validated(config_class, user_config)


def faults_of(config_class: type[Any], value: object) -> tuple[ConfigFault, ...]:
    """Finds all that keeps a value from being the settings of a class; () when it fits.

    Args:
        config_class: a dataclass or a pydantic model.
        value: as YAML or JSON gives it.
    """
    foreign = tuple(_foreign_values(value, ()))
    if foreign:
        return foreign
    try:
        _validated(config_class, value)
    except ValidationError as err:
        faults = [_fault(config_class, value, error) for error in err.errors()]
        return tuple(dict.fromkeys(faults))
    return ()


def unknown_key(key: object, known: Sequence[str]) -> str:
    """Tells that a key means nothing, and which one may have been meant."""
    now = _RENAMED.get(str(key))
    near = [now] if now in known else get_close_matches(str(key), known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known) or 'none'}"
    return f"unknown key {key!r}; {hint}"


def shown(value: object) -> str:
    """A value as a message tells it; a long one is cut."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[:_MAX_SHOWN_CHARS]}..."


def _validated(config_class: type[Config], value: object) -> Config:
    # As JSON, since pydantic's strict mode takes neither lists for tuples from Python objects nor
    # mappings for dataclasses.
    text = json.dumps(value)
    return TypeAdapter(config_class).validate_json(text, strict=True, extra="forbid")


def _foreign_values(value: object, where: Place) -> Iterator[ConfigFault]:
    """Finds what YAML knows and JSON does not, such as dates and keys that are numbers."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(key, str):
                yield from _foreign_values(one, (*where, key))
            else:
                yield ConfigFault(
                    where=where, message=f"key {key!r} must be text: put it in quotes"
                )
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from _foreign_values(one, (*where, index))
    elif isinstance(value, float) and not math.isfinite(value):
        yield ConfigFault(where=where, message=f"must be a finite number, got {value}")
    elif not isinstance(value, str | int | float | None):
        message = f"must be text, a number, a truth value, a list or a mapping, got {value!r}"
        yield ConfigFault(where=where, message=message)


def _fault(config_class: type[Any], value: object, error: ErrorDetails) -> ConfigFault:
    where: Place = error["loc"]
    match error["type"]:
        case "extra_forbidden" | "unexpected_keyword_argument":
            message = unknown_key(where[-1], _keys(config_class, where[:-1]))
            return ConfigFault(where=where[:-1], key=str(where[-1]), message=message)
        case "missing" | "missing_argument" | "missing_keyword_only_argument":
            return ConfigFault(where=where[:-1], message=f"missing key {where[-1]!r}")
        case "value_error":
            message = str(error["ctx"]["error"])
            # Checks of a whole class name the field first, as the house asks.
            named = re.match(r"\w+", message)
            key = named[0] if named and named[0] in _keys(config_class, where) else None
            return ConfigFault(where=_existing(value, where), key=key, message=message)
        case _:
            message = error["msg"].replace("Input should be", "must be")
            return ConfigFault(
                where=_existing(value, where), message=f"{message}, got {shown(error['input'])}"
            )


def _existing(value: Any, where: Place) -> Place:
    """Cuts off what pydantic adds to a place: the names of a union's members."""
    for depth, part in enumerate(where):
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return where[:depth]
    return where


def _keys(config_class: Any, where: Place) -> list[str]:
    """The keys that are known at a place of a config."""
    kind = config_class
    for part in where:
        if get_origin(kind) is Mapping:  # its keys are free, its values are of one class
            kind = get_args(kind)[1]
        elif isinstance(part, str):
            kind = _members(kind).get(part)
    return sorted(_members(kind))


def _members(kind: Any) -> dict[str, Any]:
    """The fields of a class and their types, also of the class in a `tuple[X, ...]` or `X | None`.

    None has no fields, nor has a mapping.
    """
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {name: field.annotation for name, field in kind.model_fields.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        return get_type_hints(kind)
    return next(filter(None, map(_members, get_args(kind))), {})
