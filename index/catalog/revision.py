"""Which revision of the schema this code needs, and which one a database has.

The revisions themselves are in migrations/versions; migrations/upgrade.py brings a database to one.
"""

from sqlalchemy import Connection, inspect, text

REVISION = "0013"  # the newest in migrations/versions
VERSION_TABLE = "alembic_version"


def stored_revision(connection: Connection) -> str | None:
    """The revision that the database was migrated to; None when it never was."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    query = text(f"SELECT version_num FROM {VERSION_TABLE}")
    revision: str | None = connection.execute(query).scalar_one_or_none()
    return revision
