"""Files inside vector stores: attached, described, detached. Their ingestion is in jobs.py."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, delete, exists, select, update

from index.access import Viewer
from index.catalog.attach import attach_files
from index.catalog.attributes import check_attributes
from index.catalog.changes import passage_of
from index.catalog.database import Database, log_changes
from index.catalog.keys.seen import check_store_writable, seen_files
from index.catalog.lookups import (
    AnyRow,
    Listing,
    chunking_of,
    read_page,
    require_live_store,
    require_store,
    require_store_file,
    select_store_files,
)
from index.catalog.schema import chunks, files, store_files
from index.headings import headed_text
from index.records import (
    Attachment,
    Attributes,
    Chunking,
    Order,
    Page,
    StoredPassage,
    StoreFileRecord,
    StoreFileStatus,
)


class StoreFiles(Database):
    """The part of the catalog that says which files a store holds."""

    def attach_file(
        self,
        store_id: str,
        file_id: str,
        *,
        attributes: Attributes | None = None,
        chunking: Chunking | None = None,
    ) -> StoreFileRecord:
        """Adds a file to a store, with a job that indexes it.

        Attaching a file again is safe: while it is being indexed, or is indexed with the same
        chunking, nothing is done twice; one that failed, was cancelled or is cut in another way
        now is indexed again. Attributes, where given, replace those it had. It belongs to no batch
        from then on.

        Raises:
            UnknownStoreError: no such store, or it has expired.
            UnknownFileError: no such file, or it has expired.
            InvalidAttributesError: attributes outside their bounds.
        """
        check_attributes(attributes or {})
        attachment = Attachment(file_id=file_id, attributes=attributes, chunking=chunking)
        now = self._now()
        with self._write() as connection:
            require_live_store(connection, store_id, now, self._viewer)
            check_store_writable(store_id, self._viewer)
            attach_files(connection, store_id, [attachment], now=now, viewer=self._viewer)
            return store_file_record(
                require_store_file(connection, store_id, file_id, self._viewer)
            )

    def get_store_file(self, store_id: str, file_id: str) -> StoreFileRecord:
        """The state of a file in a store.

        Raises:
            UnknownStoreError: no such store.
            UnknownStoreFileError: the file is not in it.
        """
        with self._read() as connection:
            return store_file_record(
                require_store_file(connection, store_id, file_id, self._viewer)
            )

    def list_store_files(
        self,
        store_id: str,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        status: StoreFileStatus | None = None,
    ) -> Page[StoreFileRecord]:
        """One page of the files of a store, all or those of one status.

        Raises:
            UnknownStoreError: no such store.
            UnknownCursorError: `after` or `before` names no file of the store.
        """
        listing = Listing(limit=limit, order=order, after=after, before=before)
        with self._read() as connection:
            require_store(connection, store_id, self._viewer)
            scope = {"store_id": store_id}
            return store_files_page(connection, scope, listing, status, self._viewer)

    def update_attributes(
        self, store_id: str, file_id: str, attributes: Attributes
    ) -> StoreFileRecord:
        """Replaces the attributes of a file in a store.

        Raises:
            UnknownStoreError: no such store.
            UnknownStoreFileError: the file is not in it.
            InvalidAttributesError: attributes outside their bounds.
        """
        check_attributes(attributes)
        with self._write() as connection:
            require_store_file(connection, store_id, file_id, self._viewer)
            check_store_writable(store_id, self._viewer)
            _set_attributes(connection, store_id, file_id, attributes)
            return store_file_record(
                require_store_file(connection, store_id, file_id, self._viewer)
            )

    def detach_file(self, store_id: str, file_id: str) -> None:
        """Takes a file out of a store with its passages and its job; the upload stays.

        Raises:
            UnknownStoreError: no such store.
            UnknownStoreFileError: the file is not in it.
        """
        with self._write() as connection:
            require_store_file(connection, store_id, file_id, self._viewer)
            check_store_writable(store_id, self._viewer)
            connection.execute(delete(store_files).where(*_is(store_id, file_id)))
            log_changes(connection, "delete", [(store_id, file_id)])

    def store_file_passages(self, store_id: str, file_id: str) -> tuple[StoredPassage, ...]:
        """The file's passages, in the order of the document.

        Raises:
            UnknownStoreError: no such store.
            UnknownStoreFileError: the file is not in it.
        """
        query = (
            select(chunks)
            .where(chunks.c.store_id == store_id, chunks.c.file_id == file_id)
            .order_by(chunks.c.ordinal)
        )
        with self._read() as connection:
            name = require_store_file(connection, store_id, file_id, self._viewer).filename
            return tuple(passage_of(row, name) for row in connection.execute(query))

    def store_file_text(self, store_id: str, file_id: str) -> tuple[str, ...]:
        """The texts of the file's passages below their headings, in the order of the document.

        Raises:
            UnknownStoreError: no such store.
            UnknownStoreFileError: the file is not in it.
        """
        return tuple(
            headed_text(one.title, one.text, filename=one.filename)
            for one in self.store_file_passages(store_id, file_id)
        )


def _set_attributes(
    connection: Connection,
    store_id: str,
    file_id: str,
    attributes: Attributes,
) -> None:
    """Replaces the attributes; logged when search already knows the file."""
    statement = update(store_files).where(*_is(store_id, file_id))
    connection.execute(statement.values(attributes=attributes))
    indexed = select(chunks.c.id).where(chunks.c.store_id == store_id, chunks.c.file_id == file_id)
    if connection.execute(indexed.limit(1)).first() is not None:
        log_changes(connection, "upsert", [(store_id, file_id)])


def _is(store_id: str, file_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return store_files.c.store_id == store_id, store_files.c.file_id == file_id


def store_files_page(
    connection: Connection,
    scope: Mapping[str, str],
    listing: Listing,
    status: StoreFileStatus | None,
    viewer: Viewer,
) -> Page[StoreFileRecord]:
    """One page of the store files whose columns have the values of `scope`.

    Raises:
        UnknownCursorError: a cursor names no file among them.
    """
    query = select_store_files().where(*(store_files.c[name] == scope[name] for name in scope))
    if status is not None:
        query = query.where(store_files.c.status == status)
    # Cursors are looked up in the table alone, pages in its join with the files.
    of_file = select(files.c.id).where(files.c.id == store_files.c.file_id, *seen_files(viewer))
    seen = (exists(of_file.correlate(store_files)),)
    rows, has_more = read_page(
        connection, query, store_files, listing, key="file_id", scope=scope, seen=seen
    )
    return Page(items=tuple(store_file_record(row) for row in rows), has_more=has_more)


def store_file_record(row: AnyRow) -> StoreFileRecord:
    """The record of a row of `select_store_files`."""
    return StoreFileRecord(
        file_id=row.file_id,
        store_id=row.store_id,
        filename=row.filename,
        status=row.status,
        error_code=row.error_code,
        error_message=row.error_message,
        attributes=row.attributes,
        usage_bytes=row.usage_bytes,
        created_at=row.created_at,
        chunking=chunking_of(row),
        access=row.access,
    )
