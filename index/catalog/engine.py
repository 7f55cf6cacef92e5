"""Connections to the corpus: SQLite or PostgreSQL, with the settings that keep writes safe.

What is set here goes before what the server's administrator set, and what the URL's query says goes
before both. Transactions and the numbering of changes are in database.py.
"""

from pathlib import Path
from sqlite3 import Connection as SQLiteConnection
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url

if TYPE_CHECKING:
    from psycopg import Connection as PostgresConnection

LOCK_TIMEOUT_MS = 30_000  # a writer waits this long for the one before it
MIGRATION_LOCK_TIMEOUT_MS = 600_000  # a replica waits this long for the one that migrates
STATEMENT_TIMEOUT_MS = (
    600_000  # far above the slowest: the deletion of a store of a million passages
)
# A writer that was paused or cut off inside its transaction holds up the others until then; less
# than LOCK_TIMEOUT_MS, so that they see a pause and no error.
IDLE_TIMEOUT_MS = 10_000
POSTGRES_DRIVERS = ("postgresql+psycopg", "postgresql", "postgres")

_WRITES = "ragfleet_writes"
# libpq's names (https://www.postgresql.org/docs/current/libpq-connect.html). A server that lost its
# power closes no connection: the keepalives notice within about 30 s.
_POSTGRES_CONNECT: dict[str, str | int] = {
    "application_name": "ragfleet",
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
    "target_session_attrs": "read-write",  # of several hosts, the one that is no standby
}


def open_engine(url: str) -> Engine:
    """Makes the engine of a corpus; connects to nothing yet.

    Args:
        url: "sqlite:///FILE" or "postgresql://USER:PASSWORD@HOST/NAME"; a missing folder of the
            SQLite file is made.

    Raises:
        ValueError: a SQLite URL without a file, or the URL of another database or driver.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(parsed)
    if parsed.drivername in POSTGRES_DRIVERS:
        return _open_postgres(parsed.set(drivername=POSTGRES_DRIVERS[0]))
    raise ValueError(
        f"the corpus lies in SQLite or, through psycopg, in PostgreSQL (sqlite:///..., "
        f"postgresql://...), got a URL of {parsed.drivername!r}"
    )


def for_reading(engine: Engine) -> Engine:
    """The same pool; transactions read one state of the database and can write nothing."""
    if is_sqlite(engine):
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def for_writing(engine: Engine) -> Engine:
    """The same pool; on SQLite, which has one writer at a time, transactions take that place."""
    return engine.execution_options(**{_WRITES: True})


def for_migration(engine: Engine) -> Engine:
    """Connections of their own, without limits of time, and on SQLite without foreign keys.

    A migration may have to copy a table of SQLite and drop the old one, which would delete every
    row that refers to it (https://sqlite.org/lang_altertable.html#otheralter).
    """
    alone = create_engine(engine.url, poolclass=NullPool, **_postgres_options(engine.url))
    if is_sqlite(engine):
        event.listen(alone, "connect", _configure_sqlite)
        event.listen(alone, "connect", _prepare_sqlite_migration)
        event.listen(alone, "begin", _begin_sqlite)
        return for_writing(alone)
    return alone


def is_sqlite(bind: Engine | Connection) -> bool:
    """Whether this leads to SQLite; otherwise it leads to PostgreSQL."""
    return bind.dialect.name == "sqlite"


def _open_sqlite(url: URL) -> Engine:
    if url.database is None or url.database in ("", ":memory:"):
        raise ValueError(f"a SQLite corpus needs a file, got {url.render_as_string()!r}")
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: SQLiteConnection, _record: object) -> None:
    connection.isolation_level = None  # the begin event below opens transactions, not the driver
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {LOCK_TIMEOUT_MS}")
    # WAL with two writers can corrupt before SQLite 3.51.3 (https://sqlite.org/wal.html).
    cursor.execute("PRAGMA journal_mode = DELETE")
    # Deleting the journal is what commits. FULL does not sync that deletion, so that after a power
    # cut the journal could be back and undo it (https://sqlite.org/pragma.html#pragma_synchronous).
    cursor.execute("PRAGMA synchronous = EXTRA")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _prepare_sqlite_migration(connection: SQLiteConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {MIGRATION_LOCK_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that first read could only fail when another wrote since.
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _open_postgres(url: URL) -> Engine:
    engine = create_engine(url, pool_pre_ping=True, **_postgres_options(url))
    event.listen(engine, "connect", _configure_postgres)
    return engine


def _postgres_options(url: URL) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite":
        return {}
    # Writers wait for the head row and must then see what its last holder committed, which the
    # stricter levels refuse.
    unset = {name: value for name, value in _POSTGRES_CONNECT.items() if name not in url.query}
    return {"isolation_level": "READ COMMITTED", "connect_args": unset}


def _configure_postgres(connection: "PostgresConnection[Any]", _record: object) -> None:
    # By SET and not by libpq's `options`, which connection poolers refuse.
    connection.execute(
        """
        SELECT set_config('lock_timeout', %s, false),
               set_config('statement_timeout', %s, false),
               set_config('idle_in_transaction_session_timeout', %s, false)
        """,
        [str(LOCK_TIMEOUT_MS), str(STATEMENT_TIMEOUT_MS), str(IDLE_TIMEOUT_MS)],
    )
    # Off acknowledges what is not on the disk yet; the other levels all wait for it.
    connection.execute(
        "SELECT set_config(name, 'on', false) FROM pg_settings "
        "WHERE name = 'synchronous_commit' AND setting = 'off'"
    )
    connection.commit()
