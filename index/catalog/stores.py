"""Vector stores: made, found, changed, deleted."""

import uuid
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from index.catalog.attach import attach_files
from index.catalog.attributes import check_attributes, check_storable
from index.catalog.database import Database, log_changes
from index.catalog.files import owner_values
from index.catalog.keys.seen import check_store_writable, seen_stores
from index.catalog.lookups import (
    AnyRow,
    Listing,
    chunking_of,
    chunking_values,
    has_expired,
    read_page,
    require_named_stores,
    require_store,
    store_expires_at,
)
from index.catalog.schema import store_files, vector_stores
from index.records import Attachment, Chunking, FileCounts, Order, Page, StoreRecord


class Stores(Database):
    """The part of the catalog that keeps vector stores."""

    def create_store(  # noqa: PLR0913 - one argument a field
        self,
        *,
        name: str,
        description: str | None = None,
        metadata: Mapping[str, str] | None = None,
        chunking: Chunking | None = None,
        expires_after_days: int | None = None,
        file_ids: Sequence[str] = (),
        access: str | None = None,
    ) -> StoreRecord:
        """Creates a store and attaches the files; all of it or nothing.

        Raises:
            UnknownFileError: one of the files does not exist, or has expired.
            InvalidAttributesError: metadata outside its bounds, or a name that cannot be stored.
            NotWritableError: the key is not for that.
        """
        check_store_writable(None, self._viewer)
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
            **owner_values(self._viewer, access),
        }
        row |= chunking_values(chunking)
        with self._write() as connection:
            connection.execute(insert(vector_stores).values(**row))
            if file_ids:
                files = [Attachment(file_id=file_id) for file_id in file_ids]
                attach_files(connection, str(row["id"]), files, now=now, viewer=self._viewer)
            return self._record(connection, require_store(connection, str(row["id"]), None))

    def get_store(self, store_id: str) -> StoreRecord:
        """The store; an expired one says so in its status.

        Raises:
            UnknownStoreError: no such store.
        """
        with self._read() as connection:
            return self._record(connection, require_store(connection, store_id, self._viewer))

    def find_store(self, name_or_id: str) -> StoreRecord:
        """The store with this id, else the oldest with this name.

        Raises:
            UnknownStoreError: neither exists.
        """
        with self._read() as connection:
            (found,) = require_named_stores(connection, [name_or_id], self._viewer)
            return self._record(connection, require_store(connection, found.id, self._viewer))

    def list_stores(
        self,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
    ) -> Page[StoreRecord]:
        """One page of all stores.

        Raises:
            UnknownCursorError: `after` or `before` names no store.
        """
        listing = Listing(limit=limit, order=order, after=after, before=before)
        with self._read() as connection:
            query = select(vector_stores)
            rows, has_more = read_page(
                connection, query, vector_stores, listing, seen=seen_stores(self._viewer)
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
        access: str | EllipsisType | None = ...,
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
        if access is not ...:
            values["access"] = access
        with self._write() as connection:
            require_store(connection, store_id, self._viewer)
            check_store_writable(store_id, self._viewer)
            connection.execute(
                update(vector_stores).where(vector_stores.c.id == store_id).values(**values)
            )
            return self._record(connection, require_store(connection, store_id, None))

    def delete_store(self, store_id: str) -> None:
        """Deletes a store with all that it holds; the uploads stay.

        Raises:
            UnknownStoreError: no such store.
        """
        with self._write() as connection:
            require_store(connection, store_id, self._viewer)
            check_store_writable(store_id, self._viewer)
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
        return StoreRecord(
            id=row.id,
            name=row.name,
            description=row.description,
            metadata=row.metadata,
            created_at=row.created_at,
            last_active_at=row.last_active_at,
            expires_after_days=row.expires_after_days,
            expires_at=store_expires_at(row),
            expired=has_expired(row, self._now()),
            usage_bytes=sum(int(group.usage_bytes) for group in by_status),
            file_counts=FileCounts(**{group.status: group.files for group in by_status}),
            chunking=chunking_of(row),
            fingerprint=row.fingerprint,
            access=row.access,
        )
