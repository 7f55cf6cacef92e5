"""The documents of a bulk load, read from where they were found."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from index.bulk.bulk_sources import FileSource, Source
from index.catalog.attributes import make_storable
from index.catalog.bulk_load import BulkDocument, check_document
from index.errors import CorpusError, InvalidFileError
from index.parsing.parse import EXTENSIONS, check_size, is_binary
from index.parsing.parse_limits import ParseLimits

_KEYS = frozenset({"id", "filename", "text", "attributes"})
_MAX_REASON_CHARS = 500


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A document that is not loaded, and why."""

    name: str
    reason: str


def failure(name: str, err: Exception) -> Failure:
    """Tells of a document's own error."""
    reason = str(err) if isinstance(err, CorpusError | OSError) else f"{type(err).__name__}: {err}"
    return Failure(name=make_storable(name), reason=make_storable(reason[:_MAX_REASON_CHARS]))


def read_sources(
    sources: Sequence[Source], limits: ParseLimits
) -> Iterator[BulkDocument | Failure]:
    """Reads every source; one that cannot be read or stored is a failure, and no error."""
    for source in sources:
        try:
            document = _read(source, limits)
            check_document(document)
        except (CorpusError, OSError) as err:
            yield failure(_name(source), err)
        else:
            yield document


def _name(source: Source) -> str:
    if isinstance(source, FileSource):
        return source.name
    return f"{PurePath(source.path).name}, line {source.line}"


def _read(source: Source, limits: ParseLimits) -> BulkDocument:
    check_size(_name(source), source.num_bytes, limits)
    if isinstance(source, FileSource):
        return BulkDocument(filename=source.name, data=Path(source.path).read_bytes())
    with open(source.path, "rb") as file:
        file.seek(source.start)
        return _document_of(file.read(source.num_bytes))


def _document_of(line: bytes) -> BulkDocument:
    """Reads one line: {"id" or "filename": ..., "text": ..., "attributes": {...}}.

    Raises:
        InvalidFileError: it is not such an object.
    """
    fields = _object_of(line)
    names = [fields[key] for key in ("id", "filename") if key in fields]
    if len(names) != 1 or not isinstance(names[0], str | int) or names[0] == "":
        raise InvalidFileError('needs either "id" or "filename", a text or a whole number')
    text, attributes = fields.get("text"), fields.get("attributes")
    if not isinstance(text, str):
        raise InvalidFileError(f'"text" must be a text, got {str(text)[:80]!r}')
    if not isinstance(attributes, dict | None):
        raise InvalidFileError(f'"attributes" must be an object, got {str(attributes)[:80]!r}')
    # A lone surrogate, which JSON can hold, ends as a replacement character.
    data = make_storable(text).encode()
    return BulkDocument(filename=_named_as_text(str(names[0])), data=data, attributes=attributes)


def _object_of(line: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as err:
        raise InvalidFileError(f"is not JSON: {err}") from err
    if not isinstance(fields, dict):
        raise InvalidFileError(f"is no JSON object but a {type(fields).__name__}")
    unknown = sorted(set(fields) - _KEYS)
    if unknown:
        raise InvalidFileError(f'unknown keys {unknown}; what is to be kept goes into "attributes"')
    return fields


def _named_as_text(name: str) -> str:
    """Adds .txt to a name that does not say how its text is to be read."""
    suffix = PurePath(name).suffix.lower()
    return name if suffix in EXTENSIONS and not is_binary(name) else f"{name}.txt"
