"""What every ZIP-based format is checked for before anything is unpacked.

Nothing is ever unpacked to disk, and an archive inside an archive is never opened. The sizes in the
directory can be trusted as limits: zipfile reads no member beyond the size that it declares.
"""

import io
import stat
from pathlib import PurePosixPath
from xml.parsers import expat
from zipfile import BadZipFile, ZipFile, ZipInfo

from index.errors import FileLimitError, InvalidFileError
from index.parsing.parse_source import Source

_MEMBER_MARK = b"PK\x01\x02"  # of one entry of the directory (APPNOTE.TXT 4.3.12)
_RATIO_FROM_BYTES = 2**20
_READ_BYTES = 65_536
_MB = 2**20


def check_archive(source: Source, main_part: str) -> None:
    """Refuses what is no archive of this kind, or could hurt whoever unpacks it.

    Args:
        source: the file.
        main_part: start of the name of a member that the format must have.

    Raises:
        InvalidFileError: no archive, another format, encrypted, or with names or declarations
            that no honest program writes.
        FileLimitError: too many members, or too much behind them.
    """
    if source.nature() != "a ZIP archive":
        found = source.nature() or "something else"
        raise InvalidFileError(f"{source.name!r} is not what its name says: it is {found}")
    # Counted before the directory is read, since reading it costs 1 KB of memory an entry.
    num_entries = source.data.count(_MEMBER_MARK)
    if num_entries > source.limits.max_entries:
        raise FileLimitError(
            f"{source.name!r} has {num_entries} archive members, at most "
            f"{source.limits.max_entries} are allowed"
        )
    try:
        with ZipFile(io.BytesIO(source.data)) as archive:
            members = archive.infolist()
            _check_sizes(source, members)
            _check_names(source, members, main_part)
            for member in members:
                if member.filename.endswith((".xml", ".rels")):
                    _refuse_declarations(source.name, archive, member)
    except (BadZipFile, NotImplementedError, EOFError) as err:
        raise InvalidFileError(f"{source.name!r} is a broken archive: {err}") from err


def _check_sizes(source: Source, members: list[ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    if total > source.limits.max_unpacked_mb * _MB:
        raise FileLimitError(
            f"{source.name!r} unpacks to {total / _MB:.0f} MB, at most "
            f"{source.limits.max_unpacked_mb} MB are allowed"
        )
    for member in members:
        ratio = member.file_size / max(member.compress_size, 1)
        if member.file_size > _RATIO_FROM_BYTES and ratio > source.limits.max_ratio:
            raise FileLimitError(
                f"{source.name!r} has a member that unpacks to {ratio:.0f} times its size, at most "
                f"{source.limits.max_ratio} times are allowed"
            )


def _check_names(source: Source, members: list[ZipInfo], main_part: str) -> None:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InvalidFileError(f"{source.name!r} has a member outside it: {member.filename!r}")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InvalidFileError(f"{source.name!r} has a link as a member: {member.filename!r}")
        if member.flag_bits & 1:
            raise InvalidFileError(f"{source.name!r} is encrypted")
    if not any(member.filename.startswith(main_part) for member in members):
        raise InvalidFileError(
            f"{source.name!r} is not what its name says: the archive has no {main_part!r}"
        )


def _refuse_declarations(name: str, archive: ZipFile, member: ZipInfo) -> None:
    """Refuses a document type, where entities are declared (Office files have none: ECMA-376-2)."""
    begun = False

    def refuse(*_: object) -> None:
        raise InvalidFileError(f"{name!r} declares XML entities in {member.filename!r}")

    def begin(*_: object) -> None:
        nonlocal begun
        begun = True

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = begin
    try:
        with archive.open(member) as stream:
            while not begun and (data := stream.read(_READ_BYTES)):
                parser.Parse(data)
    except expat.ExpatError as err:
        raise InvalidFileError(f"{name!r} has broken XML in {member.filename!r}: {err}") from err
