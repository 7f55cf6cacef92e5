"""JSON and JSON lines: keys as headings, a record as one row, long texts by themselves."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from index.errors import FileLimitError, InvalidFileError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.parse_source import Source

MAX_DEPTH = 64
_SHORT_CHARS = 120
_RECORD_CHARS, _RECORD_PAIRS = 600, 100  # a record with more has its parts under headings
_LABELS = ("name", "title", "id", "key", "code", "label")

Value = dict[str, "Value"] | list["Value"] | str | bool | None

_WHITE = re.compile(r"[\s,;\x1e]*")  # also what may stand between the values of a sequence
# A string, or what JSON with comments has besides: comments, and a comma before a bracket.
_EXTRA = re.compile(r'"(?:[^"\\]|\\.)*"|(//[^\n]*|/\*.*?\*/)|(,)(?=\s*[\]}])', re.DOTALL)


def parse_json(source: Source) -> Document:
    """Reads one JSON value, or several one after the other; comments may stand between.

    Raises:
        InvalidFileError: it is not JSON.
        FileLimitError: it is nested too deeply.
    """
    text = source.text()
    try:
        values = list(_values(source.name, text))
    except InvalidFileError:
        # Comments in front of a comma before a bracket: what is left of the first is taken twice.
        plain = _EXTRA.sub(_without_extra, _EXTRA.sub(_without_extra, text))
        if plain == text:
            raise
        values = list(_values(source.name, plain))
    reader = _Reader(source.name, source.builder())
    for value in values:
        reader.read(value, depth=1, is_record=len(values) > 1)
    return reader.builder.build()


def parse_jsonl(source: Source) -> Document:
    """Reads one JSON value a line; a line that is none is read as text.

    Raises:
        InvalidFileError: none is.
        FileLimitError: one is nested too deeply.
    """
    reader = _Reader(source.name, source.builder())
    error: InvalidFileError | None = None
    num_values = 0
    for number, line in enumerate(source.text().split("\n"), start=1):
        try:
            values = list(_values(f"{source.name}:{number}", line)) if line.strip() else []
        except InvalidFileError as err:
            error = error or err
            reader.builder.end_section(1)
            reader.builder.add_block(line)
            continue
        num_values += len(values)
        for value in values:
            reader.read(value, depth=1, is_record=True)
    if error and not num_values:
        raise error
    return reader.builder.build()


def _values(name: str, text: str) -> Iterator[Value]:
    # Numbers stay as they were written; not strict: strings may have tabs and line ends.
    decoder = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)
    at = _end_of_white(text, 0)
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as err:
            raise InvalidFileError(f"{name!r} is not JSON: {err}") from err
        except RecursionError as err:
            raise FileLimitError(f"{name!r} is nested deeper than {MAX_DEPTH} levels") from err
        yield value
        at = _end_of_white(text, at)


def _end_of_white(text: str, at: int) -> int:
    found = _WHITE.match(text, at)
    return found.end() if found else at


def _without_extra(found: re.Match[str]) -> str:
    return " " if found[1] or found[2] else found[0]


@dataclass(frozen=True)
class _Reader:
    """Walks a value, which may be nested as its author likes."""

    name: str
    builder: DocumentBuilder

    def read(self, value: Value, depth: int, *, is_record: bool = False) -> None:
        """Reads a value; a record is an object among others of its kind."""
        if depth > MAX_DEPTH:
            raise FileLimitError(f"{self.name!r} is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict) and is_record:
            self._read_record(value, depth)
        elif isinstance(value, dict):
            self._read_object(value, depth)
        elif isinstance(value, list):
            self._read_list(value, depth)
        else:
            self.builder.add_block(_words(value))

    def _read_object(self, value: dict[str, Value], depth: int) -> None:
        self.builder.end_section(depth)  # of the object before this one in a list
        fields = [(key, item) for key, item in value.items() if not isinstance(item, dict | list)]
        self._add(f"{key}: {_words(item)}" for key, item in fields if item not in ("", None))
        for key, item in value.items():
            if isinstance(item, dict | list):
                self.builder.add_heading(depth, key)
                self.read(item, depth + 1)

    def _read_list(self, value: list[Value], depth: int) -> None:
        self._add(_words(item) for item in value if not isinstance(item, dict | list))
        for item in value:
            if isinstance(item, dict | list):
                self.read(item, depth + 1, is_record=True)

    def _read_record(self, record: dict[str, Value], depth: int) -> None:
        """An object of a list: one row with all that it holds, if that is not too much."""
        pairs = list(islice(self._pairs(record, "", depth), _RECORD_PAIRS))
        longest = max(map(len, pairs), default=0)
        is_small = len(pairs) < _RECORD_PAIRS and sum(map(len, pairs)) <= _RECORD_CHARS
        if is_small and longest <= 2 * _SHORT_CHARS:
            self.builder.end_section(depth)
            self.builder.add_row(pairs)
            return
        if any(isinstance(item, dict | list) for item in record.values()):
            self.builder.add_heading(depth, _label(record))  # its parts know whose they are
            depth += 1
        self.read(record, depth)

    def _pairs(self, value: Value, path: str, depth: int) -> Iterator[str]:
        """`path: value` of all that a record holds, lists of plain values as one."""
        if depth > MAX_DEPTH:
            raise FileLimitError(f"{self.name!r} is nested deeper than {MAX_DEPTH} levels")
        if not isinstance(value, dict | list):
            if value not in ("", None):
                yield f"{path}: {_words(value)}"
            return
        if isinstance(value, list):
            plain = [_words(item) for item in value if not isinstance(item, dict | list)]
            if plain:
                yield f"{path}: {', '.join(plain)}"
        for key, item in _parts(value):
            yield from self._pairs(item, f"{path}.{key}" if path else key, depth + 1)

    def _add(self, texts: Iterator[str]) -> None:
        """Short texts as one row, each long one as prose after it."""
        all_texts = list(texts)
        self.builder.add_row([text for text in all_texts if len(text) <= _SHORT_CHARS])
        for text in all_texts:
            if len(text) > _SHORT_CHARS:
                self.builder.add_block(text)


def _parts(value: dict[str, Value] | list[Value]) -> Iterator[tuple[str, Value]]:
    """The fields of an object; what is nested in a list, by its number."""
    if isinstance(value, dict):
        yield from value.items()
        return
    for number, item in enumerate(value, start=1):
        if isinstance(item, dict | list):
            yield str(number), item


def _label(record: dict[str, Value]) -> str:
    """What a record is called: by its name or the like, else by its first short value."""
    plain = {
        key: _words(item)
        for key, item in record.items()
        if not isinstance(item, dict | list) and item not in ("", None)
    }
    named = (key for key in (*_LABELS, *plain) if key in plain and len(plain[key]) <= _SHORT_CHARS)
    key = next(named, "")
    return f"{key}: {plain[key]}" if key else ""


def _words(value: str | bool | None) -> str:
    return value if isinstance(value, str) else json.dumps(value)
