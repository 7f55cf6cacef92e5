"""Attribute filters in OpenAI's form: comparisons, joined by `and` and `or`.

A file without the attribute has no value that could equal, follow or precede another: `ne` and
`nin` hold for it, every other comparison does not. Numbers, strings and booleans never equal each
other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import ge, gt, le, lt
from typing import Any, Literal, cast

from index.errors import InvalidFilterError

MAX_DEPTH = 8
MAX_COMPARISONS = 64
MAX_LIST_VALUES = 1000

Value = str | float | bool
Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One attribute against a value; `in` and `nin` have a tuple of values."""

    type: Operator
    key: str
    value: Value | tuple[Value, ...]


@dataclass(frozen=True, kw_only=True)
class Compound:
    """All (`and`) or any (`or`) of the filters."""

    type: Literal["and", "or"]
    filters: tuple["Filter", ...]


Filter = Comparison | Compound


def parse_filter(spec: Mapping[str, Any]) -> Filter:
    """Reads the JSON form of a filter.

    Raises:
        InvalidFilterError: an unknown operator, a value of the wrong type, or too many or too deep.
    """
    parsed = _parse(spec, depth=1)
    count = _num_comparisons(parsed)
    if count > MAX_COMPARISONS:
        raise InvalidFilterError(f"a filter has at most {MAX_COMPARISONS} comparisons, got {count}")
    return parsed


def matches(wanted: Filter, attributes: Mapping[str, Value]) -> bool:
    """Whether a file with these attributes passes."""
    if isinstance(wanted, Compound):
        combine = all if wanted.type == "and" else any
        return combine(matches(part, attributes) for part in wanted.filters)
    return _COMPARE[wanted.type](attributes.get(wanted.key), wanted.value)


def _parse(spec: Any, depth: int) -> Filter:
    if not isinstance(spec, Mapping):
        raise InvalidFilterError(f"a filter must be an object, got {type(spec).__name__}")
    if depth > MAX_DEPTH:
        raise InvalidFilterError(f"a filter nests at most {MAX_DEPTH} deep")
    kind = spec.get("type")
    if kind in ("and", "or"):
        parts = spec.get("filters")
        if not isinstance(parts, list | tuple) or not parts:
            raise InvalidFilterError(f"`filters` of {kind!r} must be a list that is not empty")
        return Compound(
            type=cast(Literal["and", "or"], kind),
            filters=tuple(_parse(part, depth + 1) for part in parts),
        )
    if not isinstance(kind, str) or kind not in _COMPARE:
        known = ", ".join([*_COMPARE, "and", "or"])
        raise InvalidFilterError(f"`type` of a filter must be one of {known}, got {kind!r}")
    key = spec.get("key")
    if not isinstance(key, str) or not key:
        raise InvalidFilterError(f"`key` of a filter must be a string, got {key!r}")
    return Comparison(
        type=cast(Operator, kind), key=key, value=_parse_value(kind, spec.get("value"))
    )


def _parse_value(kind: str, value: Any) -> Value | tuple[Value, ...]:
    if kind in ("in", "nin"):
        if not isinstance(value, list | tuple) or len(value) > MAX_LIST_VALUES:
            raise InvalidFilterError(
                f"`value` of {kind!r} must be a list of at most {MAX_LIST_VALUES} values"
            )
        return tuple(_scalar(kind, item) for item in value)
    return _scalar(kind, value)


def _scalar(kind: str, value: Any) -> Value:
    ordered = kind in ("gt", "gte", "lt", "lte")
    if not isinstance(value, str | int | float) or (ordered and isinstance(value, bool)):
        wanted = "a string or a number" if ordered else "a string, a number or a boolean"
        raise InvalidFilterError(f"`value` of {kind!r} must be {wanted}, got {value!r}")
    return value


def _num_comparisons(wanted: Filter) -> int:
    if isinstance(wanted, Comparison):
        return 1
    return sum(_num_comparisons(part) for part in wanted.filters)


def _same_type(left: Any, right: Any) -> bool:
    """Python takes True for 1; a filter does not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return isinstance(left, bool) and isinstance(right, bool)
    return isinstance(left, str) == isinstance(right, str) and left is not None


def _equal(left: Any, right: Any) -> bool:
    return _same_type(left, right) and bool(left == right)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda left, right: _same_type(left, right) and compare(left, right)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "gt": _ordered(gt),
    "gte": _ordered(ge),
    "lt": _ordered(lt),
    "lte": _ordered(le),
    "in": lambda left, right: any(_equal(left, item) for item in right),
    "nin": lambda left, right: not any(_equal(left, item) for item in right),
}
