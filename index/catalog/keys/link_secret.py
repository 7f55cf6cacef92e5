"""The secret that links to files are signed with: one for all Gateways."""

from secrets import token_hex

from sqlalchemy import Connection, insert, select

from index.catalog.database import Database
from index.catalog.keys.tables import secrets

_NAME = "links"
_NUM_BYTES = 32


class LinkSecret(Database):
    """The part of the catalog that keeps it."""

    def link_secret(self) -> str:
        """256 random bits in hex, made when they are asked for first."""
        with self._read() as connection:
            known = _stored(connection)
        if known is not None:
            return known
        with self._write() as connection:  # one of those that ask at once makes it
            known = _stored(connection)
            if known is None:
                known = token_hex(_NUM_BYTES)
                row = {"name": _NAME, "value": known, "created_at": self._now()}
                connection.execute(insert(secrets).values(row))
            return known


def _stored(connection: Connection) -> str | None:
    query = select(secrets.c.value).where(secrets.c.name == _NAME)
    known: str | None = connection.execute(query).scalar_one_or_none()
    return known
