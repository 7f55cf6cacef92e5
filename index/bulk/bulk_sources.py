"""Where the documents of a bulk load are found: folders, glob patterns, lines of JSON.

Finding looks at names and sizes; reading comes later, a parcel at a time.
"""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path, PurePath

from index.catalog.attributes import make_storable
from index.parsing.parse import EXTENSIONS

JSONL = frozenset({".jsonl", ".ndjson"})
MAX_PARCEL_DOCUMENTS = 64
MAX_PARCEL_BYTES = 4 * 2**20
_PARCELS_A_WORKER = 8  # at least, of a small load, so that all workers end at about the same time
_MAGIC = re.compile(r"[*?[]")


class SourceError(ValueError):
    """There is nothing to load, or not in a way that gives every document a name of its own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSource:
    """A file that is one document."""

    path: str
    name: str
    num_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LineSource:
    """A line of a JSON Lines file: one document. It is the bytes `start:start + num_bytes`."""

    path: str
    line: int
    start: int
    num_bytes: int


Source = FileSource | LineSource


@dataclass(frozen=True, kw_only=True)
class FoundSources:
    """What there is to be loaded.

    Attributes:
        sources: in an order that stays the same.
        left_out: files of types that no parser reads, counted by extension.
    """

    sources: tuple[Source, ...]
    left_out: Counter[str] = field(default_factory=Counter)


def find_sources(targets: Iterable[str]) -> FoundSources:
    """Finds what the targets name.

    A folder stands for all files below it, without hidden ones; they are named by their paths from
    there. A pattern stands for the files that it matches, named from its first folder without a
    wildcard; a file by itself has its own name. A JSON Lines file that a target or pattern names is
    a list of documents, one a line; below a folder it is a document like any other.

    Raises:
        SourceError: a target names nothing, or two files have the same name.
    """
    sources: list[Source] = []
    left_out: Counter[str] = Counter()
    for target in targets:
        for path, name in _files_of(target):
            suffix = PurePath(name).suffix.lower()
            if suffix in JSONL and not os.path.isdir(target):
                sources += _lines_of(path)
            elif suffix in EXTENSIONS:
                num_bytes = os.stat(path).st_size
                sources.append(FileSource(path=path, name=name, num_bytes=num_bytes))
            else:
                left_out[suffix or "no extension"] += 1
    sources = list(dict.fromkeys(sources))
    _check_names(one for one in sources if isinstance(one, FileSource))
    if not sources:
        raise SourceError(f"nothing to load; left out: {dict(left_out) or 'no file at all'}")
    return FoundSources(sources=tuple(sources), left_out=left_out)


def in_parcels(sources: Iterable[Source], num_workers: int) -> list[tuple[Source, ...]]:
    """Puts sources together that are read at once: neither too many nor too large.

    Lines stay with neighbours of their file.
    """
    listed = list(sources)
    max_documents = max(
        1, min(MAX_PARCEL_DOCUMENTS, len(listed) // (_PARCELS_A_WORKER * num_workers))
    )
    parcels: list[tuple[Source, ...]] = []
    for _, group in groupby(listed, key=_kind):
        parcel: list[Source] = []
        num_bytes = 0
        for one in group:
            if parcel and (
                len(parcel) == max_documents or num_bytes + one.num_bytes > MAX_PARCEL_BYTES
            ):
                parcels.append(tuple(parcel))
                parcel, num_bytes = [], 0
            parcel.append(one)
            num_bytes += one.num_bytes
        parcels.append(tuple(parcel))
    return parcels


def _kind(source: Source) -> str:
    return source.path if isinstance(source, LineSource) else ""


def _files_of(target: str) -> Iterator[tuple[str, str]]:
    """The path and the name of every file that a target stands for."""
    if os.path.isdir(target):
        yield from ((path, _name(path, target)) for path in _walk(target))
    elif os.path.isfile(target):
        yield os.path.abspath(target), os.path.basename(target)
    else:
        matches = [
            path for path in sorted(glob.glob(target, recursive=True)) if os.path.isfile(path)
        ]
        if not matches:
            raise SourceError(f"{target!r} is no file, no folder, and matches no file")
        base = _base_of(target)
        yield from ((os.path.abspath(path), _name(path, base)) for path in matches)


def _walk(folder: str) -> Iterator[str]:
    for parent, folders, names in os.walk(os.path.abspath(folder)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = (os.path.join(parent, name) for name in sorted(names) if not name.startswith("."))
        yield from filter(os.path.isfile, paths)


def _base_of(pattern: str) -> str:
    """The folder before the first wildcard."""
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if _MAGIC.search(part)), len(parts) - 1)
    return str(Path(*parts[:fixed]))


def _name(path: str, base: str) -> str:
    return Path(os.path.relpath(path, base)).as_posix()


def _lines_of(path: str) -> Iterator[LineSource]:
    with open(path, "rb") as file:
        start = 0
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield LineSource(path=path, line=number, start=start, num_bytes=len(line))
            start += len(line)


def _check_names(sources: Iterable[FileSource]) -> None:
    path_of: dict[str, str] = {}
    for one in sources:
        other = path_of.setdefault(one.name, one.path)
        if other != one.path:
            raise SourceError(
                f"two files would be documents of the name {make_storable(one.name)!r}: "
                f"{make_storable(other)} and {make_storable(one.path)}; load them from a folder "
                "above both"
            )
