"""Backups in a bucket of S3, or of what speaks its protocol: made and read here, and copied.

    s3://bucket/backups/monday?region=eu-central-1
    s3://bucket/backups/monday?endpoint_override=minio.internal:9000&scheme=https&region=us-east-1

Who asks is told as to AWS' own programs: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws, or
the role of the machine. backup.json comes last, and what has none is no backup: so one is there
whole or not at all. The way is PyArrow's, which Ray Data brings.
"""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cluster.keeping.backups import TOLD, Backup, BackupError, make_backup, read_backup

_BLOCK = 2**23


def is_elsewhere(place: str) -> bool:
    """Whether it is a URL and no folder of this machine."""
    return "://" in place


def make_backup_at(url: str, place: str, configs: Sequence[Path] = ()) -> Backup:
    """Makes a backup in a folder that is gone afterwards, sends it, and reads it back.

    Args:
        url: of the catalog's database.
        place: `s3://...`; nothing may be there yet.
        configs: files that go with it.

    Raises:
        BackupError: as `make_backup`, or something is there, or is not what was sent.
        OSError: the bucket cannot be reached, or refuses.
        ValueError: the URL is none of S3.
    """
    filesystem, path = _opened(place)
    if _files(filesystem, path):
        raise BackupError(f"{path} is there already: a backup never overwrites another")
    with tempfile.TemporaryDirectory(prefix="ragfleet-backup-") as parent:
        folder = Path(parent) / "backup"
        told = make_backup(url, folder, configs)
        try:
            for name in (*told.files, TOLD):
                with (folder / name).open("rb") as source:
                    _copy(source, filesystem.open_output_stream(f"{path}/{name}"))
            with fetched(place) as copied:
                if read_backup(copied) != told:
                    raise BackupError(f"{path} is not what was sent")
        except BaseException:
            with contextlib.suppress(OSError):
                filesystem.delete_dir(path)
            raise
    return told


@contextlib.contextmanager
def fetched(place: str) -> Iterator[Path]:
    """Gives a folder with what lies there; it is gone afterwards.

    Raises:
        BackupError: nothing is there, or a name leads out of the folder.
        OSError: the bucket cannot be reached, or refuses.
        ValueError: the URL is none of S3.
    """
    filesystem, path = _opened(place)
    names = _files(filesystem, path)
    if TOLD not in names:
        raise BackupError(f"{path} is no backup: it has no {TOLD}")
    with tempfile.TemporaryDirectory(prefix="ragfleet-backup-") as parent:
        folder = Path(parent).resolve()
        for name in names:
            target = (folder / name).resolve()
            if not target.is_relative_to(folder):
                raise BackupError(f"{path} is no backup: {name!r} leads out of it")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                _copy(filesystem.open_input_stream(f"{path}/{name}"), out)
        yield folder


def _opened(place: str) -> tuple[Any, str]:
    if not place.startswith("s3://"):
        raise ValueError(
            f"{place}: a folder or s3://..., nothing else; copy a folder there yourself"
        )
    from pyarrow.fs import FileSystem

    filesystem, path = FileSystem.from_uri(place)
    path = path.rstrip("/")
    if "/" not in path:
        raise ValueError(f"{place}: a backup is a folder in the bucket, as s3://{path}/monday")
    return filesystem, path


def _files(filesystem: Any, path: str) -> list[str]:
    from pyarrow.fs import FileSelector, FileType

    found = filesystem.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
    return [one.path[len(path) + 1 :] for one in found if one.type == FileType.File]


def _copy(source: Any, out: Any) -> None:
    with source, out:
        shutil.copyfileobj(source, out, _BLOCK)
