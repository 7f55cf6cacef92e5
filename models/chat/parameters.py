r"""Arguments that are written one by one, not as a JSON object: which are texts, and their grammar.

    <parameter=city>\nNew "York"\n</parameter>\n     [get_weather(city="New York", days=3)]
    |  begin  |name| |   text   |     after               name|value|between

A text is a parameter whose schema asks for a string and says nothing else of it than its length or
its choices; it is written as it is. Any other value is JSON. What is read of both is a JSON object.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from models.chat.literals import bare
from models.chat.tools import PLAIN_KEYS, Tool
from models.constraints import MAX_CHARS
from models.errors import InvalidInputError

_MAX_COUNTED_CHARS = 256  # of a text: a longer one is held to its length as JSON
_NOTES = frozenset({"title", "description", "default", "examples"})
_TEXT_KEYS = _NOTES | {"type", "enum", "const", "minLength", "maxLength"}
_MAX_DEPTH = 8
_MAX_VARIANTS = 64  # of the arguments of a tool: choices within choices multiply
_SECTIONS = ("$defs", "definitions")
_NAME = re.compile(r"[^\s<>=\"'(),\[\]{}\ud800-\udfff]{1,64}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # no text in UTF-8 has one
# One way to write a value, as in `models.engines.grammar_check`.
JSON_FORM = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """The marks around arguments that are written one by one.

    Attributes:
        begin: before a name.
        before_value: between name and value.
        after: after a value.
        between: between two arguments.
        before_text: between name and value where that is a text; empty: as for any other.
        quote: on both sides of a text, also of one within another value; empty: none.
        quotes_texts: whether texts are JSON as well.
        is_python: whether constants are those of Python.
    """

    begin: str
    before_value: str
    after: str
    between: str = ""
    before_text: str = ""
    quote: str = ""
    quotes_texts: bool = False
    is_python: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """All that may hold control tokens."""
        return self.begin, self.before_value, self.before_text, self.quote, self.after

    @property
    def tells_texts(self) -> bool:
        """Whether the marks of a value tell if it is a text."""
        return bool(self.before_text or self.quote)

    @property
    def around_text(self) -> tuple[str, str]:
        """The marks before and after a text."""
        return (self.before_text or self.before_value) + self.quote, self.quote + self.after

    def written(self, arguments: dict[str, Any]) -> str:
        """Writes arguments as the model itself would."""
        return self.between.join(
            f"{self.begin}{name}{self._value(value)}" for name, value in arguments.items()
        )

    def texts(self, tool: Tool) -> frozenset[str]:
        """Names the parameters that are written as they are."""
        if self.quotes_texts:
            return frozenset()
        found = [one["properties"] for one in _variants(tool)]
        names = {name for one in found for name in one}
        return frozenset(
            name for name in names if all(self._is_text(one[name]) for one in found if name in one)
        )

    def _value(self, value: Any) -> str:
        before, after = self.before_value, self.after
        if isinstance(value, str) and not (self.quotes_texts or self.quote):
            before, after = self.around_text
        elif self.quote:
            value = bare(value, self.quote)
        elif self.is_python and (value is None or isinstance(value, bool)):
            value = repr(value)
        else:
            value = json.dumps(value, ensure_ascii=False)
        return f"{before}{value}{after}"

    def _is_text(self, schema: Any) -> bool:
        if not isinstance(schema, dict) or not _TEXT_KEYS.issuperset(schema):
            return False
        choices = _choices(schema)
        if choices is not None:
            mark = self.around_text[1].strip()
            return all(
                isinstance(one, str) and mark not in one and not _SURROGATE.search(one)
                for one in choices
            )
        lengths = schema.get("minLength", 0), schema.get("maxLength", 0)
        is_counted = all(isinstance(n, int) and n <= _MAX_COUNTED_CHARS for n in lengths)
        return schema.get("type") == "string" and is_counted


class ParameterGrammar:
    """Writes the rules of arguments, in Lark's notation for llguidance.

    Args:
        notation: how they are written.
        literal: writes a text as terminals.
    """

    def __init__(self, notation: Parameters, literal: Callable[[str], str]) -> None:
        self._notation = notation
        self._literal = literal

    def rules(self, name: str, tool: Tool) -> list[str]:
        """Writes the rule `name` of a tool's arguments, and those that it needs.

        Raises:
            InvalidInputError: the schema says more than which parameters there are, or more than
                a grammar may hold.
        """
        texts, variants = self._notation.texts(tool), _variants(tool)
        ones = [f"{name}_v{number}" for number in range(len(variants))]
        rules = [f"{name}: {' | '.join(ones)}"]
        defined = {key: value for key, value in tool.schema().items() if key in _SECTIONS}
        num_chars = 0
        for one, schema in zip(ones, variants, strict=True):
            declared, required = schema["properties"], set(schema["required"])
            rules += self._order(one, [key in required for key in declared])
            for at, (key, wanted) in enumerate(declared.items()):
                is_text = key in texts
                more = self._parameter(f"{one}_{at}", key, wanted, defined, is_text=is_text)
                num_chars += sum(map(len, more))
                if num_chars > MAX_CHARS:  # definitions stand in the grammar once a parameter
                    raise _refusal(
                        tool, f"make a grammar of at most {MAX_CHARS} characters", "more"
                    )
                rules += more
        return rules

    def _order(self, name: str, required: list[bool]) -> list[str]:
        """Writes that each may stand once, in the order of the schema; the marks between them."""
        ones = [f"{name}_{at}" for at in range(len(required))]
        if not self._notation.between:
            parts = [
                one if is_asked else f"{one}?" for one, is_asked in zip(ones, required, strict=True)
            ]
            return [f"{name}: {' '.join(parts)}" if parts else f'{name}: ""']
        between = self._literal(self._notation.between)
        rules = [f'{name}_first_{len(ones)}: ""', f'{name}_more_{len(ones)}: ""']
        for at, one in enumerate(ones):
            after = f"{name}_more_{at + 1}"
            first = "" if required[at] else f" | {name}_first_{at + 1}"
            more = "" if required[at] else f" | {after}"
            rules += [
                f"{name}_first_{at}: {one} {after}{first}",
                f"{name}_more_{at}: {between} {one} {after}{more}",
            ]
        return [f"{name}: {name}_first_0", *rules]

    def _parameter(
        self, name: str, key: str, schema: Any, defined: dict[str, Any], *, is_text: bool
    ) -> list[str]:
        notation = self._notation
        marks = notation.around_text if is_text else (notation.before_value, notation.after)
        begin, after = self._literal(f"{notation.begin}{key}{marks[0]}"), self._literal(marks[1])
        if not is_text:
            return [f"{name}: {begin} {self._value(schema, defined)} {after}"]
        choices = _choices(schema)
        if choices is not None:
            return [f"{name}: {begin} ({' | '.join(_terminal(one) for one in choices)}) {after}"]
        lower, upper = schema.get("minLength", 0), schema.get("maxLength", "")
        mark = escaped(marks[1].strip())
        text, name_of_text = f"(.|\\n){{{lower},{upper}}}", name.upper()
        lead, is_token, rest = after.partition("<[")
        if is_token:  # what stands before it is one terminal with the text
            lead = escaped(json.loads(lead.strip() or '""'))
            end = f"{name}_end: {name_of_text} {is_token}{rest}"
        else:
            lead, end = "", f"{name}_end[lazy]: {name_of_text} {after}"
        # The mark may not be spelled by other ids either: it is read as the end of the text.
        whole = f"{name_of_text}: /{text}{lead}/ & ~/(.|\\n)*{mark}(.|\\n)*/"
        return [f"{name}: {begin} {name}_end", end, whole]

    def _value(self, schema: Any, defined: dict[str, Any]) -> str:
        if isinstance(schema, bool):
            schema = {} if schema else {"not": {}}
        if self._notation.is_python and schema.get("type") == "boolean" and "enum" not in schema:
            return '("True" | "False")'
        return f"%json {json.dumps({**defined, **schema, 'x-guidance': JSON_FORM})}"


def escaped(text: str) -> str:
    r"""Writes a text as a regular expression of Lark, where `\<` is the start of a word."""
    return re.sub(r"([\\^$.|?*+(){}\[\]/])", r"\\\1", text).replace("\n", r"\n")


def _choices(schema: dict[str, Any]) -> list[Any] | None:
    """Lists all values that a schema lets through; None: it has no list of them."""
    if "const" in schema:
        return [schema["const"]]
    choices = schema.get("enum")
    return choices if isinstance(choices, list) and choices else None


def _terminal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _variants(tool: Tool) -> list[dict[str, Any]]:
    """Gives what the arguments may be: schemas of which each lists all of its parameters.

    Raises:
        InvalidInputError: there is more to the arguments than parameters, or too much of it.
    """
    root = tool.schema()
    found = list(islice(_resolved(tool, root, root, depth=0), _MAX_VARIANTS + 1))
    if len(found) > _MAX_VARIANTS:
        raise _refusal(tool, f"leave at most {_MAX_VARIANTS} choices of parameters", "more")
    return found


def _resolved(
    tool: Tool, root: dict[str, Any], schema: dict[str, Any], *, depth: int
) -> Iterator[dict[str, Any]]:
    """Follows references and choices at the top of a schema, where the parameters are told."""
    if depth > _MAX_DEPTH:
        raise _refusal(tool, f"have at most {_MAX_DEPTH} references in a row", "more")
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
        raise _refusal(tool, "have properties that are an object, and required a list", "others")
    declared = {**schema.get("properties", {}), **declared}
    required = [*schema.get("required", []), *required]
    return {**schema, **more, "properties": declared, "required": required}


def _defined(tool: Tool, root: dict[str, Any], reference: Any) -> Any:
    section, _, name = str(reference).removeprefix("#/").partition("/")
    defined = root.get(section) if section in _SECTIONS else None
    found = defined.get(name) if isinstance(defined, dict) else None
    if found is None:
        raise _refusal(tool, f"have its references in {' or '.join(_SECTIONS)}", reference)
    return found


def _checked(tool: Tool, schema: dict[str, Any]) -> dict[str, Any]:
    if more := sorted(set(schema) - PLAIN_KEYS):
        raise _refusal(tool, "hold properties alone", more[0])
    declared: dict[str, Any] = schema.get("properties", {})
    required: list[str] = schema.get("required", [])
    for name in [*declared, *required]:
        if not isinstance(name, str) or name not in declared or not _NAME.fullmatch(name):
            raise _refusal(tool, "declare its parameters by names without marks", str(name)[:80])
        if not isinstance(declared[name], dict | bool):
            raise _refusal(tool, f"tell of {name!r} by a schema", str(declared[name])[:80])
    return {**schema, "properties": declared, "required": required}


def _refusal(tool: Tool, duty: str, got: object) -> InvalidInputError:
    return InvalidInputError(
        "this model writes arguments one by one, so the schema of tool "
        f"{tool.name!r} must {duty}, got {got!r}"
    )
