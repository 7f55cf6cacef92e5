r"""Arguments that are written one by one, not as a JSON object: which are texts, and their grammar.

    <parameter=city>\nNew "York"\n</parameter>\n     [get_weather(city="New York", days=3)]
    |  begin  |name| |   text   |     after               name|value|between

A text is a parameter whose schema asks for a string, or for one or null, and says nothing else of
it than its length, its choices, its format or a pattern of the whole; it is written as it is, and
null as `null` or `None`. Any other value is JSON. What is read of both is a JSON object. Formats
of texts are not held to.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.chat.argument_schemas import SECTIONS, refusal, variants, without_null
from models.chat.literals import bare
from models.chat.tools import Tool
from models.constraints import MAX_CHARS

_MAX_COUNTED_CHARS = 256  # of a text: a longer one is held to its length as JSON
_TEXT_KEYS = frozenset(
    {
        *("type", "enum", "const", "minLength", "maxLength", "pattern", "format"),
        *("title", "description", "default", "examples"),
    }
)
NULLS = ("null", "None")  # as models write it, who see Python's in their templates
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
        found = [one["properties"] for one in variants(tool)]
        names = {name for one in found for name in one}
        return frozenset(
            name for name in names if all(self._is_text(one[name]) for one in found if name in one)
        )

    def nullable(self, tool: Tool) -> frozenset[str]:
        """Names those of them that may be null as well."""
        found = [one["properties"] for one in variants(tool)]
        return frozenset(
            name for name in self.texts(tool)
            if any(without_null(one[name])[1] for one in found if name in one)
        )  # fmt: skip

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
        schema, may_be_null = without_null(schema)
        if may_be_null and self.tells_texts:
            return False
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
        is_held = "pattern" not in schema or _whole_pattern(schema) is not None
        return schema.get("type") == "string" and is_counted and is_held


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
        texts, found = self._notation.texts(tool), variants(tool)
        ones = [f"{name}_v{number}" for number in range(len(found))]
        rules = [f"{name}: {' | '.join(ones)}"]
        defined = {key: value for key, value in tool.schema().items() if key in SECTIONS}
        num_chars = 0
        for one, schema in zip(ones, found, strict=True):
            declared, required = schema["properties"], set(schema["required"])
            rules += self._order(one, [key in required for key in declared])
            for at, (key, wanted) in enumerate(declared.items()):
                is_text = key in texts
                more = self._parameter(f"{one}_{at}", key, wanted, defined, is_text=is_text)
                num_chars += sum(map(len, more))
                if num_chars > MAX_CHARS:  # definitions stand in the grammar once a parameter
                    raise refusal(tool, f"make a grammar of at most {MAX_CHARS} characters", "more")
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
        schema, may_be_null = without_null(schema)
        nulls = NULLS if may_be_null else ()
        choices = _choices(schema)
        if choices is not None:
            ones = " | ".join(map(_terminal, [*choices, *nulls]))
            return [f"{name}: {begin} ({ones}) {after}"]
        mark = escaped(marks[1].strip())
        text, name_of_text = _text_pattern(schema, nulls), name.upper()
        lead, is_token, rest = after.partition("<[")
        if is_token:  # what stands before it is one terminal with the text
            lead = escaped(json.loads(lead.strip() or '""'))
            end = f"{name}_end: {name_of_text} {is_token}{rest}"
        else:
            lead, end = "", f"{name}_end[lazy]: {name_of_text} {after}"
        # The mark may not be spelled by other ids either: it is read as the end of the text.
        held = [f"/{one}{lead}/" for one in text]
        whole = f"{name_of_text}: {' & '.join(held)} & ~/(.|\\n)*{mark}(.|\\n)*/"
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


def _text_pattern(schema: dict[str, Any], nulls: tuple[str, ...]) -> list[str]:
    """Gives the regular expressions that a text has to match, all of them."""
    lower, upper = schema.get("minLength", 0), schema.get("maxLength", "")
    held = [f"(.|\\n){{{lower},{upper}}}"]
    if pattern := _whole_pattern(schema):
        held.append(f"({pattern})")
    return [f"({'|'.join([one, *nulls])})" if nulls else one for one in held]


def _whole_pattern(schema: dict[str, Any]) -> str | None:
    """Gives the pattern of a text as Lark writes it; None: there is none, or of a part alone."""
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or not re.fullmatch(r"\^[^|^$\n]*\$", pattern):
        return None
    return re.sub(r"(?<!\\)/", r"\/", pattern[1:-1])


def _choices(schema: dict[str, Any]) -> list[Any] | None:
    """Lists all values that a schema lets through; None: it has no list of them."""
    if "const" in schema:
        return [schema["const"]]
    choices = schema.get("enum")
    return choices if isinstance(choices, list) and choices else None


def _terminal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
