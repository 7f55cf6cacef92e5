"""Transactions and the change log's numbering: what every part of the catalog stands on."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SQLiteConnection
from typing import Literal

from sqlalchemy import Connection, create_engine, event, insert, make_url, select, update

from index import schema

BUSY_TIMEOUT_MS = 30_000  # a writer waits this long for the one before it
_WRITES = "ragfleet_writes"


class Database:
    """One SQL database behind two kinds of transaction.

    Any number of threads and processes may use the same database. A transaction that logs changes
    takes the `head` row until it commits, so the numbers of the log have one order and no gaps.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        parsed = make_url(url)
        self._engine = create_engine(parsed)
        self._writer = self._engine.execution_options(**{_WRITES: True})
        self._clock = clock
        if parsed.get_backend_name() == "sqlite":
            if parsed.database is None or parsed.database in ("", ":memory:"):
                raise ValueError(f"a SQLite corpus needs a file, got {url!r}")
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
            event.listen(self._engine, "connect", _configure_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._create_tables()

    def close(self) -> None:
        """Closes all idle connections."""
        self._engine.dispose()

    def head(self) -> int:
        """The number of the last change; 0 before the first."""
        with self._read() as connection:
            return int(connection.execute(select(schema.head.c.number)).scalar_one())

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """A transaction that only reads; all its queries see one state."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """A transaction that may write; durable when the block has ended without an exception."""
        with self._writer.begin() as connection:
            yield connection

    def _now(self) -> int:
        return int(self._clock())

    def _create_tables(self) -> None:
        with self._write() as connection:
            schema.metadata.create_all(connection)
            if connection.execute(select(schema.head.c.id)).first() is None:
                connection.execute(insert(schema.head).values(id=1, number=0, next_chunk_id=1))


def log_changes(
    connection: Connection,
    kind: Literal["upsert", "delete"],
    store_files: Sequence[tuple[str, str]],
) -> int:
    """Appends one change for each (store id, file id); the last act of a writing transaction.

    Returns:
        The head after it.
    """
    number = _advance(connection, "number", len(store_files))
    if store_files:
        rows = [
            {"number": number + i, "kind": kind, "store_id": store_id, "file_id": file_id}
            for i, (store_id, file_id) in enumerate(store_files, start=1)
        ]
        connection.execute(insert(schema.changes), rows)
    return number + len(store_files)


def take_chunk_ids(connection: Connection, count: int) -> range:
    """Reserves `count` chunk ids that were never used and will never be again."""
    first = _advance(connection, "next_chunk_id", count)
    return range(first, first + count)


def _advance(connection: Connection, counter: str, step: int) -> int:
    """Adds `step` to a counter of the head row, holds that row, and returns the value before."""
    column = schema.head.c[counter]
    statement = update(schema.head).values({counter: column + step}).returning(column)
    return int(connection.execute(statement).scalar_one()) - step


def _configure_sqlite(connection: SQLiteConnection, _record: object) -> None:
    connection.isolation_level = None  # the begin event below opens transactions, not the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    # WAL with two writers can corrupt before SQLite 3.51.3 (https://sqlite.org/wal.html).
    cursor.execute("PRAGMA journal_mode = DELETE")
    cursor.execute("PRAGMA synchronous = FULL")  # fsync before commit returns
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that first read could only fail when another wrote since.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
