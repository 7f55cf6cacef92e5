"""Migrates a database to the newest revision with Alembic, in one transaction and one at a time.

To change the schema: change schema.py, add the next file to versions/ by hand, set `REVISION` in
revision.py; a test compares the migrated tables with schema.py on both databases. A revision
is never edited once it was released. On SQLite a column or constraint is altered inside
`op.batch_alter_table`, which copies the table; foreign keys are off meanwhile and checked at the
end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext, RevisionStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from index.catalog.engine import MIGRATION_LOCK_TIMEOUT_MS, for_migration, is_sqlite
from index.catalog.revision import REVISION, VERSION_TABLE, stored_revision
from index.errors import UnusableDatabaseError

FIRST_REVISION = "0001"  # the tables as they were before revisions were stamped
_LOCK_KEY = 0x7261_6766_6C65_6574  # "ragfleet"; any number that no other program locks


def upgrade(engine: Engine) -> None:
    """Creates the tables, or adopts and upgrades those that are there.

    Raises:
        UnusableDatabaseError: the database has a revision that this code does not know, or an
            encoding other than UTF-8.
    """
    with _alone(engine) as connection:
        revision = stored_revision(connection)
        if revision == REVISION:  # another replica was first
            return
        scripts = revisions()
        known = {script.revision for script in scripts.walk_revisions()}
        if revision is not None and revision not in known:
            raise UnusableDatabaseError(
                f"the corpus has schema revision {revision!r}, this code knows 0001..{REVISION}: "
                f"run the newer Ragfleet that migrated it"
            )
        if revision is None and inspect(connection).has_table("head"):
            _context(connection).stamp(scripts, FIRST_REVISION)
        _migrate(connection, scripts)


def revisions() -> ScriptDirectory:
    """The revisions in versions/."""
    return ScriptDirectory(str(Path(__file__).parent))


def _migrate(connection: Connection, scripts: ScriptDirectory) -> None:
    def steps(revision: tuple[str, ...], _context: MigrationContext) -> list[RevisionStep]:
        # What alembic.command.upgrade does, which wants an env.py and a configuration file.
        return scripts._upgrade_revs(REVISION, revision)  # type: ignore[arg-type]

    context = _context(connection, fn=steps)
    with Operations.context(context):
        context.run_migrations()


def _context(connection: Connection, **options: object) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, **options})


@contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other migration runs beside; all of it is kept or nothing."""
    own = for_migration(engine)
    try:
        with own.begin() as connection:
            if is_sqlite(engine):
                yield connection
                _check_foreign_keys(connection)
            else:
                _lock_postgres(connection)
                yield connection
    finally:
        own.dispose()


def _lock_postgres(connection: Connection) -> None:
    """Waits for its turn, and refuses a database that cannot hold every text."""
    connection.execute(text(f"SET LOCAL lock_timeout = {MIGRATION_LOCK_TIMEOUT_MS}"))
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    if encoding != "UTF8":
        raise UnusableDatabaseError(f"the database's encoding must be UTF8, got {encoding}")


def _check_foreign_keys(connection: Connection) -> None:
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise RuntimeError(f"the migration left a row that refers to nothing: {tuple(broken)}")
