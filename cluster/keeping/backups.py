"""A backup is a folder: the catalog as one SQLite file, the configs, and what they must be.

    backup.json     when, of what, the rows of every table and the hash of every file
    catalog.db      all tables of the catalog: documents, passages, vectors, answers, keys
    config/...      the Serve configs that were given

Both databases are read while they are written, in one state: SQLite through its backup API (its
file and journal are never copied by hand), PostgreSQL in one read-only transaction. The file of a
backup restores to either database. Documents lie in the catalog, so no folder of files is missed.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, make_url, select, text

from cluster.keeping.tables import Digest, copy_rows, digests
from deployments.user_config import parse_config
from index.catalog import schema
from index.catalog.engine import for_reading, is_sqlite, open_engine
from index.catalog.migrations.upgrade import upgrade
from index.catalog.revision import REVISION, stored_revision
from models.errors import InvalidInputError
from models.folders import whole_or_nothing

TOLD = "backup.json"  # what says what the others must be
_CATALOG, _CONFIGS = "catalog.db", "config"
_FORMAT = 1
_BLOCK = 2**20


class BackupError(Exception):
    """A backup cannot be made, is not whole, or cannot come back."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What backup.json tells.

    Attributes:
        format: of the folder.
        started_at: seconds since 1970: what was acknowledged before is in the backup.
        mark: the number of the last change in it.
        revision: of the tables.
        source: `sqlite` or `postgresql`.
        tables: name -> what is in it.
        files: path in the folder -> SHA-256.
    """

    format: int
    started_at: float
    mark: int
    revision: str
    source: str
    tables: dict[str, Digest]
    files: dict[str, str]


def make_backup(url: str, out: Path, configs: Sequence[Path] = ()) -> Backup:
    """Makes a backup of a catalog that may be in use.

    Args:
        url: of its database.
        out: the folder; it must not be there yet, and is there whole or not at all.
        configs: files that go with it.

    Raises:
        BackupError: there is no catalog, the folder is there, or what was written is not sound.
    """
    if out.exists():
        raise BackupError(f"{out} is there already: a backup never overwrites another")
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise BackupError(f"there is no catalog at {parsed.database}")
    started_at = time.time()
    engine = open_engine(url)
    try:
        with whole_or_nothing(out, mode=0o700) as folder:
            _copy_catalog(engine, folder / _CATALOG)
            names = _copy_configs(configs, folder / _CONFIGS)
            files = [_CATALOG, *(f"{_CONFIGS}/{name}" for name in names)]
            told = _described(folder, files, started_at, engine.dialect.name)
            (folder / TOLD).write_text(json.dumps(asdict(told), indent=2) + "\n")
    finally:
        engine.dispose()
    return told


def read_backup(folder: Path) -> Backup:
    """Reads and verifies a backup: that its files are those that were written.

    Raises:
        BackupError: it is none, of a format that this version does not know, or damaged.
    """
    try:
        told = parse_config(Backup, json.loads((folder / TOLD).read_text()))
    except (OSError, ValueError, InvalidInputError) as err:
        raise BackupError(f"{folder} is no backup: {err}") from err
    if told.format != _FORMAT:
        raise BackupError(f"{folder} has format {told.format}, this version reads {_FORMAT}")
    for name, expected in told.files.items():
        path = folder / name
        found = _sha256(path) if path.is_file() else "missing"
        if found != expected:
            raise BackupError(f"{path} is damaged: its sha256 is {found}, was {expected}")
    return told


def restore_backup(folder: Path, url: str) -> Backup:
    """Brings a backup back into an empty database, of either kind, and compares all rows.

    Args:
        folder: of the backup; not changed.
        url: of the new database. A system that runs is never restored under its feet: make a new
            database, then start the system on it.

    Raises:
        BackupError: the backup is damaged, the database holds something, or rows differ afterwards.
    """
    told = read_backup(folder)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _restore_file(folder / _CATALOG, Path(parsed.database or ""))
    _check_revision(told)
    engine = open_engine(url)
    try:
        if not is_sqlite(engine):
            _restore_rows(folder / _CATALOG, engine)
        upgrade(engine)
        with for_reading(engine).begin() as connection:
            _compare(told, digests(connection), same_revision=told.revision == REVISION)
    finally:
        engine.dispose()
    return told


def _copy_catalog(engine: Engine, path: Path) -> None:
    if is_sqlite(engine):
        # In one step: in several, each write of another process would begin the copy anew.
        with (
            closing(sqlite3.connect(str(engine.url.database), timeout=30)) as source,
            closing(sqlite3.connect(path)) as target,
        ):
            source.backup(target, pages=-1)
        return
    _migrated(path)
    target_engine = create_engine(f"sqlite:///{path}")
    with for_reading(engine).connect() as source_connection, source_connection.begin():
        source_connection.execute(text("SET LOCAL statement_timeout = 0"))
        source_connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        revision = stored_revision(source_connection)
        if revision != REVISION:
            raise BackupError(
                f"the catalog has schema revision {revision}, this code has {REVISION}: "
                f"make the backup with the version that serves it"
            )
        with target_engine.begin() as target_connection:
            copy_rows(source_connection, target_connection)
    target_engine.dispose()


def _migrated(path: Path) -> None:
    """Makes a SQLite file with empty tables."""
    engine = open_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()


def _copy_configs(configs: Sequence[Path], folder: Path) -> list[str]:
    names = [path.name for path in configs]
    if len(set(names)) < len(names):
        raise BackupError(f"two configs have the same name: {', '.join(names)}")
    for path in configs:
        folder.mkdir(exist_ok=True)
        try:
            shutil.copyfile(path, folder / path.name)
        except OSError as err:
            raise BackupError(f"{path}: {err.strerror}") from err
    return names


def _described(folder: Path, files: list[str], started_at: float, source: str) -> Backup:
    """Verifies what was written and tells what it is."""
    path = folder / _CATALOG
    with closing(sqlite3.connect(path)) as connection:
        for check in ("integrity_check", "foreign_key_check"):
            found = connection.execute(f"PRAGMA {check}").fetchall()
            if found not in ([], [("ok",)]):
                raise BackupError(f"the copy is not sound: {check} tells {found[:3]}")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection_:
        _check_documents(connection_)
        mark = connection_.scalar(select(schema.head.c.number))
        revision = stored_revision(connection_)
        tables = digests(connection_)
    engine.dispose()
    return Backup(
        format=_FORMAT, started_at=started_at, mark=int(mark or 0), revision=str(revision),
        source=source, tables=tables, files={name: _sha256(folder / name) for name in files},
    )  # fmt: skip


def _check_documents(connection: Any) -> None:
    """Every document is the one that was uploaded."""
    rows = connection.execution_options(yield_per=20).execute(
        select(schema.files.c.id, schema.files.c.sha256, schema.files.c.content)
    )
    for file_id, expected, content in rows:
        if hashlib.sha256(content).hexdigest() != expected:
            raise BackupError(f"document {file_id} is not what was uploaded: its hash differs")


def _restore_file(source: Path, target: Path) -> None:
    beside = [target.with_name(target.name + end) for end in ("", "-journal", "-wal", "-shm")]
    for path in beside:  # a journal of an older file would be played back over this one
        if path.exists():
            raise BackupError(f"{path} is there already: restore into a new file")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}-unfinished")
    shutil.copyfile(source, unfinished)
    with unfinished.open("rb+") as file:
        os.fsync(file.fileno())
    unfinished.rename(target)


def _restore_rows(source: Path, engine: Engine) -> None:
    with engine.begin() as connection:
        held = digests(connection)
    if any(digest.num_rows for name, digest in held.items() if name != schema.head.name):
        full = ", ".join(name for name, digest in held.items() if digest.num_rows)
        raise BackupError(f"the database holds rows already ({full}): restore into a new one")
    upgrade(engine)
    # A copy, since an older backup has to be brought to this revision first.
    scratch = source.with_name(".restoring.db")
    shutil.copyfile(source, scratch)
    try:
        _migrated(scratch)
        source_engine = create_engine(f"sqlite:///{scratch}")
        with source_engine.begin() as from_file, engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            copy_rows(from_file, connection)
        source_engine.dispose()
    finally:
        scratch.unlink()


def _check_revision(told: Backup) -> None:
    if told.revision > REVISION:
        raise BackupError(
            f"the backup has schema revision {told.revision}, this code knows 0001..{REVISION}: "
            f"restore it with the version that made it"
        )


def _compare(told: Backup, found: dict[str, Digest], *, same_revision: bool) -> None:
    """Of another revision only the numbers of rows are compared: their columns may differ."""
    for name, expected in told.tables.items():
        digest = found.get(name)
        is_same = digest == expected
        if not same_revision and digest is not None:
            is_same = digest.num_rows == expected.num_rows
        if not is_same:
            raise BackupError(f"table {name} differs after the restore: {digest}, was {expected}")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
