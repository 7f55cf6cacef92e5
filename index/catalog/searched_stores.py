"""Which stores a search is of: found by name, and kept alive by it."""

from collections.abc import Sequence

from sqlalchemy import update

from index.catalog.database import Database, read_head
from index.catalog.lookups import (
    AnyRow,
    every_store,
    has_expired,
    require_live,
    require_named_stores,
)
from index.catalog.schema import vector_stores
from index.records import OpenStores

TOUCH_INTERVAL_S = 60  # searches write `last_active_at` at most this often


class SearchedStores(Database):
    """The part of the catalog that opens stores for a search."""

    def open_stores(self, stores: Sequence[str] | None) -> OpenStores:
        """Finds the stores that a search is of, and counts the search as activity.

        Only a store that can expire is written to, and at most once in `TOUCH_INTERVAL_S`.

        Args:
            stores: names or ids, as in `find_store`; None means all that have not expired.

        Raises:
            UnknownStoreError: one of them does not exist.
            ExpiredStoreError: one that was named has expired.
        """
        now = self._now()
        rows: list[AnyRow]
        with self._read() as connection:
            head = read_head(connection)
            if stores is None:
                found = connection.execute(every_store(self._viewer)).all()
                rows = [row for row in found if not has_expired(row, now)]
            else:
                named = {
                    row.id: row for row in require_named_stores(connection, stores, self._viewer)
                }
                rows = [require_live(row, now) for row in named.values()]
        for row in rows:
            if row.expires_after_days is None or now - row.last_active_at < TOUCH_INTERVAL_S:
                continue
            with self._write_beside() as connection:
                statement = update(vector_stores).where(vector_stores.c.id == row.id)
                connection.execute(statement.values(last_active_at=now))
        return OpenStores(ids=tuple(row.id for row in rows), head=head)
