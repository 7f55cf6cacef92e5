"""Vector stores: made, found, changed, deleted."""

import uuid
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from index.catalog.attributes import check_attributes, check_storable
from index.catalog.database import Database, log_changes, read_head
from index.catalog.lookups import (
    AnyRow,
    chunking_of,
    chunking_values,
    find_row,
    read_page,
    require_live_store,
    require_store,
    store_expires_at,
)
from index.catalog.schema import store_files, vector_stores
from index.catalog.store_files import attach
from index.errors import UnknownStoreError
from index.records import Chunking, FileCounts, Order, Page, StoreRecord

TOUCH_INTERVAL_S = 60  # searches write `last_active_at` at most this often


class Stores(Database):
    """The part of the catalog that keeps vector stores."""

    def create_store(
        self,
        *,
        name: str,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        chunking: Chunking | None = None,
        expires_after_days: int | None = None,
        file_ids: Sequence[str] = (),
    ) -> StoreRecord:
        """Creates a store and attaches the files; all of it or nothing.

        Raises:
            UnknownFileError: one of the files does not exist, or has expired.
            InvalidAttributesError: metadata outside its bounds, or a name that cannot be stored.
        """
        check_storable(name + (description or ""))
        check_attributes(metadata or {})
        now = self._now()
        row = {
            "id": f"vs_{uuid.uuid4().hex}",
            "name": name,
            "description": description,
            "metadata": dict(metadata or {}),
            "created_at": now,
            "last_active_at": now,
            "expires_after_days": expires_after_days,
        }
        row |= chunking_values(chunking)
        with self._write() as connection:
            connection.execute(insert(vector_stores).values(**row))
            for file_id in file_ids:
                attach(connection, str(row["id"]), file_id, chunking=None, now=now)
            return self._record(connection, require_store(connection, str(row["id"])))

    def get_store(self, store_id: str) -> StoreRecord:
        """The store; an expired one says so in its status.

        Raises:
            UnknownStoreError: no such store.
        """
        with self._read() as connection:
            return self._record(connection, require_store(connection, store_id))

    def find_store(self, name_or_id: str) -> StoreRecord:
        """The store with this id, else the oldest with this name.

        Raises:
            UnknownStoreError: neither exists.
        """
        query = (
            select(vector_stores)
            .where((vector_stores.c.id == name_or_id) | (vector_stores.c.name == name_or_id))
            .order_by(vector_stores.c.id != name_or_id, vector_stores.c.seq)
        )
        with self._read() as connection:
            row = find_row(connection, query.limit(1), name_or_id)
            if row is None:
                raise UnknownStoreError(f"no vector store has the id or name {name_or_id!r}")
            return self._record(connection, row)

    def list_stores(
        self, *, limit: int = 20, order: Order = "desc", after: str | None = None
    ) -> Page[StoreRecord]:
        """One page of all stores.

        Raises:
            UnknownCursorError: `after` names no store.
        """
        with self._read() as connection:
            rows, has_more = read_page(
                connection,
                select(vector_stores),
                vector_stores,
                limit=limit,
                order=order,
                cursor={"id": after},
            )
            return Page(
                items=tuple(self._record(connection, row) for row in rows), has_more=has_more
            )

    def update_store(
        self,
        store_id: str,
        *,
        name: str | EllipsisType = ...,
        metadata: Mapping[str, str] | EllipsisType = ...,
        expires_after_days: int | EllipsisType | None = ...,
    ) -> StoreRecord:
        """Changes what is given and leaves the rest (`...`) as it is.

        Raises:
            UnknownStoreError: no such store.
            InvalidAttributesError: metadata outside its bounds, or a name that cannot be stored.
        """
        values: dict[str, Any] = {"last_active_at": self._now()}
        if name is not ...:
            check_storable(name)
            values["name"] = name
        if metadata is not ...:
            check_attributes(metadata)
            values["metadata"] = dict(metadata)
        if expires_after_days is not ...:
            values["expires_after_days"] = expires_after_days
        with self._write() as connection:
            require_store(connection, store_id)
            connection.execute(
                update(vector_stores).where(vector_stores.c.id == store_id).values(**values)
            )
            return self._record(connection, require_store(connection, store_id))

    def touch_stores(self, store_ids: Sequence[str]) -> int:
        """Checks that stores may be searched, and counts the search as activity.

        Only a store that can expire is written to, and at most once in `TOUCH_INTERVAL_S`.

        Returns:
            The number of the last change: what a search must know of.

        Raises:
            UnknownStoreError: no such store.
            ExpiredStoreError: it has expired.
        """
        now = self._now()
        with self._read() as connection:
            number = read_head(connection)
            rows = [require_live_store(connection, store_id, now) for store_id in store_ids]
        for row in rows:
            if row.expires_after_days is None or now - row.last_active_at < TOUCH_INTERVAL_S:
                continue
            with self._write_beside() as connection:
                statement = update(vector_stores).where(vector_stores.c.id == row.id)
                connection.execute(statement.values(last_active_at=now))
        return number

    def delete_store(self, store_id: str) -> None:
        """Deletes a store with all that it holds; the uploads stay.

        Raises:
            UnknownStoreError: no such store.
        """
        with self._write() as connection:
            require_store(connection, store_id)
            query = select(store_files.c.file_id).where(store_files.c.store_id == store_id)
            gone = [(store_id, file_id) for file_id in connection.execute(query).scalars()]
            connection.execute(delete(vector_stores).where(vector_stores.c.id == store_id))
            log_changes(connection, "delete", gone)

    def _record(self, connection: Connection, row: AnyRow) -> StoreRecord:
        query = (
            select(
                store_files.c.status,
                func.count().label("files"),
                func.sum(store_files.c.usage_bytes).label("usage_bytes"),
            )
            .where(store_files.c.store_id == row.id)
            .group_by(store_files.c.status)
        )
        by_status = connection.execute(query).all()
        expires_at = store_expires_at(row)
        return StoreRecord(
            id=row.id,
            name=row.name,
            description=row.description,
            metadata=row.metadata,
            created_at=row.created_at,
            last_active_at=row.last_active_at,
            expires_after_days=row.expires_after_days,
            expires_at=expires_at,
            expired=expires_at is not None and expires_at <= self._now(),
            usage_bytes=sum(int(group.usage_bytes) for group in by_status),
            file_counts=FileCounts(**{group.status: group.files for group in by_status}),
            chunking=chunking_of(row),
            fingerprint=row.fingerprint,
        )
