"""Batches of files: put into a store together, followed together, cancelled together.

A batch has no list of its own: its files are the store files that name it, so it tells how they are
now. Whatever attaches a file last has it: a newer batch, or none when it was attached by itself.
"""

import uuid
from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from index.access import Viewer
from index.catalog.attach import attach_files
from index.catalog.attributes import check_attributes
from index.catalog.database import Database
from index.catalog.keys.seen import check_store_writable
from index.catalog.lookups import (
    AnyRow,
    Listing,
    find_row,
    require_live_store,
    require_store,
)
from index.catalog.schema import file_batches, jobs, store_files
from index.catalog.store_files import store_files_page
from index.errors import InvalidFileBatchError, UnknownFileBatchError
from index.records import (
    MAX_BATCH_FILES,
    Attachment,
    FileBatchRecord,
    FileCounts,
    Order,
    Page,
    StoreFileRecord,
    StoreFileStatus,
)


class FileBatches(Database):
    """The part of the catalog that attaches many files at once."""

    def create_file_batch(self, store_id: str, files: Sequence[Attachment]) -> FileBatchRecord:
        """Adds the files to a store, with a job for each that needs one; all of them or none.

        Each is treated as if it were attached by itself. Naming a file twice in the same way is
        naming it once.

        Raises:
            UnknownStoreError: no such store, or it has expired.
            UnknownFileError: one of the files does not exist, or has expired.
            InvalidAttributesError: attributes outside their bounds.
            InvalidFileBatchError: too few or too many files, or one is named in two ways.
        """
        if not 1 <= len(files) <= MAX_BATCH_FILES:
            raise InvalidFileBatchError(
                f"a batch must have 1..{MAX_BATCH_FILES} files, got {len(files)}"
            )
        for file in files:
            check_attributes(file.attributes or {})
        batch_id = f"vsfb_{uuid.uuid4().hex}"
        now = self._now()
        with self._write() as connection:
            require_live_store(connection, store_id, now, self._viewer)
            check_store_writable(store_id, self._viewer)
            row = {"id": batch_id, "store_id": store_id, "created_at": now}
            connection.execute(insert(file_batches).values(**row))
            attach_files(
                connection, store_id, files, now=now, viewer=self._viewer, batch_id=batch_id
            )
            return _record(connection, store_id, batch_id, self._viewer)

    def get_file_batch(self, store_id: str, batch_id: str) -> FileBatchRecord:
        """The batch, and how far its files are.

        Raises:
            UnknownStoreError: no such store.
            UnknownFileBatchError: it has no such batch.
        """
        with self._read() as connection:
            return _record(connection, store_id, batch_id, self._viewer)

    def list_batch_files(  # noqa: PLR0913 - one argument a query parameter
        self,
        store_id: str,
        batch_id: str,
        *,
        limit: int = 20,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
        status: StoreFileStatus | None = None,
    ) -> Page[StoreFileRecord]:
        """One page of the files of a batch, all or those of one status.

        Raises:
            UnknownStoreError: no such store.
            UnknownFileBatchError: it has no such batch.
            UnknownCursorError: `after` or `before` names no file of the batch.
        """
        listing = Listing(limit=limit, order=order, after=after, before=before)
        with self._read() as connection:
            _require_batch(connection, store_id, batch_id, self._viewer)
            return store_files_page(
                connection, {"batch_id": batch_id}, listing, status, self._viewer
            )

    def cancel_file_batch(self, store_id: str, batch_id: str) -> FileBatchRecord:
        """Stops the files of a batch that are not indexed yet; those that are stay as they are.

        Their jobs go, so whoever works on one of them has lost its lease, and a late completion
        changes nothing. Passages of an earlier success stay searchable. When no file is in progress
        any more, nothing changes.

        Raises:
            UnknownStoreError: no such store.
            UnknownFileBatchError: it has no such batch.
        """
        unfinished = (store_files.c.batch_id == batch_id, store_files.c.status == "in_progress")
        file_ids = select(store_files.c.file_id).where(*unfinished)
        with self._write() as connection:
            _require_batch(connection, store_id, batch_id, self._viewer)
            check_store_writable(store_id, self._viewer)
            connection.execute(
                delete(jobs).where(jobs.c.store_id == store_id, jobs.c.file_id.in_(file_ids))
            )
            stop = update(store_files).where(*unfinished).values(status="cancelled")
            if connection.execute(stop).rowcount > 0:
                batch = update(file_batches).where(file_batches.c.id == batch_id)
                connection.execute(batch.values(cancelled_at=self._now()))
            return _record(connection, store_id, batch_id, self._viewer)


def _require_batch(connection: Connection, store_id: str, batch_id: str, viewer: Viewer) -> AnyRow:
    require_store(connection, store_id, viewer)
    query = select(file_batches).where(
        file_batches.c.id == batch_id, file_batches.c.store_id == store_id
    )
    row = find_row(connection, query, store_id, batch_id)
    if row is None:
        raise UnknownFileBatchError(f"no file batch {batch_id!r} in vector store {store_id!r}")
    return row


def _record(
    connection: Connection, store_id: str, batch_id: str, viewer: Viewer
) -> FileBatchRecord:
    row = _require_batch(connection, store_id, batch_id, viewer)
    query = (
        select(store_files.c.status, func.count().label("files"))
        .where(store_files.c.batch_id == batch_id)
        .group_by(store_files.c.status)
    )
    return FileBatchRecord(
        id=row.id,
        store_id=row.store_id,
        created_at=row.created_at,
        cancelled=row.cancelled_at is not None,
        file_counts=FileCounts(
            **{group.status: group.files for group in connection.execute(query)}
        ),
    )
