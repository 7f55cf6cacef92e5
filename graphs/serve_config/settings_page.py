"""The page of every setting (docs/settings.md), made from the classes that check them.

`python -m graphs.serve_config.settings_page > docs/settings.md` makes it anew after a change.
"""

import inspect
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter

from graphs.config import AppArgs
from graphs.serve_config.blocks import BLOCKS, CANARY, ENGINES, SMALL

JsonSchema = Mapping[str, Any]

_HEAD = f"""# Settings

Every key of `args`, of each `user_config` and of the generator's `engine_options`, with its default
and its limits. A key that is not here is refused at the start, with its line and what may have been
meant. Made by `python -m graphs.serve_config.settings_page` from the classes that check them.

Where a meaning says None, YAML says `null`. `{CANARY}` and `{SMALL}` take what the
Generator takes, and `Retriever0`, `Retriever1`, ... what the Retriever takes. What else a block has
(`num_replicas`, `autoscaling_config`, `ray_actor_options`, ...) is Ray Serve's; `local.yaml` and
`cluster.yaml` say at each why it is as it is, and [a cluster](cluster.md) tells how to change it.
"""
_LIMITS = {
    "minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<",
    "minLength": "characters ≥", "maxLength": "characters ≤", "minItems": "entries ≥",
    "maxItems": "entries ≤", "minProperties": "entries ≥", "pattern": "as",
}  # fmt: skip


def page() -> str:
    """Gives the page in Markdown."""
    parts = [_HEAD, *_class_parts("args", AppArgs)]
    for name, kind in BLOCKS.items():
        parts += _class_parts(name, kind)
    for name, kind in ENGINES.items():
        parts += _class_parts(f"Generator: engine_options of {name}", kind)
    return "\n".join(parts)


def _class_parts(title: str, kind: type[Any]) -> Iterator[str]:
    """The sections of a class and of those that its fields are of, each once."""
    schema = TypeAdapter(kind).json_schema()
    inner = _classes_in(kind)
    yield from _section(2, title, kind, schema)
    todo = [(title, schema)]
    seen = set(kind.__mro__)  # a judge has the keys of its reranker
    for path, outer in todo:
        for field, inside in outer.get("properties", {}).items():
            name = _class_name(inside)
            if name is None or inner[name] in seen:
                continue
            seen.add(inner[name])
            below = schema["$defs"][name]
            where = f"{path}.{field}" if path != title else f"{title}: {field}"
            yield from _section(3, where, inner[name], below)
            todo.append((where, below))


def _section(level: int, title: str, kind: type[Any], schema: JsonSchema) -> Iterator[str]:
    yield f"{'#' * level} {title}\n"
    yield _summary(kind) + "\n"
    fields = schema.get("properties", {})
    if not fields:
        return
    told, classes = _told_fields(kind), _classes_in(kind)
    yield "| setting | default | values | meaning |\n|---|---|---|---|"
    for name, field in fields.items():
        default = "must be set" if name in schema.get("required", ()) else _default(field)
        meaning = told.get(name) or _summary(classes.get(_class_name(field) or "", kind))
        yield f"| `{name}` | {default} | {_cell(_values(field))} | {_cell(meaning)} |"
    yield ""


def _told_fields(kind: type[Any]) -> Mapping[str, str]:
    """What docstrings say of each field, the nearest class first."""
    told: dict[str, str] = {}
    for one in kind.__mro__:
        listed = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")[2]
        for name, text in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", listed, re.MULTILINE):
            told.setdefault(name, _text(text))
    return told


def _classes_in(kind: type[Any]) -> Mapping[str, type[Any]]:
    """The classes with fields that fields of a class are of, however deep, by their names."""
    found: dict[str, type[Any]] = {}
    todo = [*get_type_hints(kind).values()]
    for hint in todo:
        todo += get_args(hint)
        if isinstance(hint, type) and getattr(hint, "__annotations__", None):
            if hint.__name__ not in found:
                todo += get_type_hints(hint).values()
            found[hint.__name__] = hint
    return found


def _class_name(field: JsonSchema) -> str | None:
    """The class that a field is of, also where it may be null or there may be several."""
    inside = [field, *field.get("anyOf", ()), field.get("items"), field.get("additionalProperties")]
    names = [one["$ref"] for one in inside if isinstance(one, dict) and "$ref" in one]
    return str(names[0]).rpartition("/")[2] if names else None


def _values(field: JsonSchema) -> str:
    if "anyOf" in field:
        return " or ".join(_values(one) for one in field["anyOf"] if one != {"type": "null"})
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    inner = field.get("items") or field.get("additionalProperties")
    many = {"array": "list of ", "object": "names to "}.get(field.get("type", ""), "")
    limits = [
        f"{mark} `{field[key]}`" if key == "pattern" else f"{mark} {field[key]:g}"
        for key, mark in _LIMITS.items()
        if key in field
    ]
    word = "keys" if "$ref" in field else _WORDS.get(field.get("type", ""), "")
    word = many + (_values(inner) or "any" if isinstance(inner, dict) else "any") if many else word
    return ", ".join([word, *limits])


_WORDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true, false"}


def _default(field: JsonSchema) -> str:
    default = field.get("default", {})  # a class of its own that says its defaults
    if isinstance(default, list | dict):
        return "" if default or _class_name(field) else "none"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _summary(kind: type[Any]) -> str:
    return _text(inspect.getdoc(kind) or "").partition("Attributes:")[0].strip()


def _text(docstring: str) -> str:
    return re.sub(r"\s+", " ", docstring).strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
