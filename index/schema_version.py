"""Which revision of the schema a database has, and whether this code can use it.

The revisions themselves are in migrations/versions. A replica that finds the one it needs, which is
nearly every start, never imports Alembic.
"""

from sqlalchemy import Connection, Engine, inspect, text

from index.engine import for_reading

REVISION = "0003"  # the newest in migrations/versions
VERSION_TABLE = "alembic_version"


def ensure_schema(engine: Engine) -> None:
    """Brings the database to this code's revision of the schema; does nothing when it has it.

    Any number of replicas may call it together: one migrates, the others wait for it.

    Raises:
        UnusableDatabaseError: a newer Ragfleet migrated the database, or its encoding is not UTF-8.
    """
    with for_reading(engine).begin() as connection:
        if stored_revision(connection) == REVISION:
            return
    from index.migrations.upgrade import upgrade

    upgrade(engine)


def stored_revision(connection: Connection) -> str | None:
    """The revision that the database was migrated to; None when it never was."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    query = text(f"SELECT version_num FROM {VERSION_TABLE}")
    revision: str | None = connection.execute(query).scalar_one_or_none()
    return revision
