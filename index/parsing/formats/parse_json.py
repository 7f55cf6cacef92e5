"""JSON and JSON lines: keys as headings, short values together, long texts by themselves."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from index.errors import FileLimitError, InvalidFileError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.parse_source import Source

MAX_DEPTH = 64
_SHORT_CHARS = 120

Value = dict[str, "Value"] | list["Value"] | str | bool | None


def parse_json(source: Source) -> Document:
    """Reads one JSON value.

    Raises:
        InvalidFileError: it is not JSON.
        FileLimitError: it is nested too deeply.
    """
    reader = _Reader(source.name, source.builder())
    reader.read(_load(source.name, source.text()), depth=1)
    return reader.builder.build()


def parse_jsonl(source: Source) -> Document:
    """Reads one JSON value a line, as `parse_json` does."""
    reader = _Reader(source.name, source.builder())
    for number, line in enumerate(source.text().split("\n"), start=1):
        if line.strip():
            reader.read(_load(f"{source.name}:{number}", line), depth=1)
    return reader.builder.build()


def _load(name: str, text: str) -> Value:
    try:
        # Numbers stay as they were written.
        value: Value = json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as err:
        raise InvalidFileError(f"{name!r} is not JSON: {err}") from err
    except RecursionError as err:
        raise FileLimitError(f"{name!r} is nested deeper than {MAX_DEPTH} levels") from err
    return value


@dataclass(frozen=True)
class _Reader:
    """Walks a value, which may be nested as its author likes."""

    name: str
    builder: DocumentBuilder

    def read(self, value: Value, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise FileLimitError(f"{self.name!r} is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
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
                self.read(item, depth + 1)

    def _add(self, texts: Iterator[str]) -> None:
        """Short texts as one row, each long one as prose."""
        short = []
        for text in texts:
            if len(text) > _SHORT_CHARS:
                self.builder.add_block(text)
            else:
                short.append(text)
        self.builder.add_row(short)


def _words(value: str | bool | None) -> str:
    return value if isinstance(value, str) else json.dumps(value)
