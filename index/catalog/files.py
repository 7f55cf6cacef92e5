"""Uploaded files: bytes with a name, never changed after upload."""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete, false, insert, or_, select, update

from index.access import Viewer
from index.catalog.attributes import check_storable, is_storable
from index.catalog.database import Database, hold_head, log_changes
from index.catalog.keys.seen import check_file_writable, seen_files
from index.catalog.lookups import (
    FILE_COLUMNS,
    AnyRow,
    Listing,
    find_row,
    read_page,
    require_file,
)
from index.catalog.schema import chunks, files, store_files
from index.catalog.tenants.stored import check_bytes
from index.errors import InvalidFileError
from index.records import FileRecord, Order, Page

MAX_FILE_BYTES = 256 * 1024 * 1024  # SQLite holds at most 1 GB in one value
MAX_FILENAME_CHARS = 255


class Files(Database):
    """The part of the catalog that keeps uploads."""

    def create_file(
        self,
        *,
        filename: str,
        purpose: str,
        data: bytes,
        expires_after_s: int | None = None,
        access: str | None = None,
    ) -> FileRecord:
        """Stores an upload; on return it is durable.

        It belongs to the viewer's tenant; `access` says who of it may see the file (index/access).

        Raises:
            InvalidFileError: no bytes, too many bytes, or a name of a bad length.
            InvalidAttributesError: a name that cannot be stored.
            StoredLimitError: the tenant may not store so much.
        """
        check_storable(filename)
        check_file(filename, len(data))
        values = file_values(
            filename=filename,
            purpose=purpose,
            data=data,
            now=self._now(),
            expires_after_s=expires_after_s,
            owner=owner_values(self._viewer, access),
        )
        with self._write_beside() as connection:
            connection.execute(insert(files).values(values))
            if self._viewer.most_bytes is not None:
                # Who is held to a limit waits for the file before, so that both are counted; but
                # nobody waits while the bytes come, and none for this row, which they do not see.
                hold_head(connection)
                check_bytes(connection, self._viewer, len(data), self._now(), is_there=True)
        for name in ("content", "tenant", "key_id"):
            del values[name]
        return FileRecord(**values)

    def get_file(self, file_id: str) -> FileRecord:
        """The file's record.

        Raises:
            UnknownFileError: it does not exist, or has expired.
        """
        with self._read() as connection:
            return file_record(require_file(connection, file_id, self._now(), self._viewer))

    def list_files(
        self,
        *,
        purpose: str | None = None,
        limit: int = 10_000,
        order: Order = "desc",
        after: str | None = None,
        before: str | None = None,
    ) -> Page[FileRecord]:
        """One page of the files that have not expired.

        Raises:
            UnknownCursorError: `after` or `before` names no file.
        """
        query = select(*FILE_COLUMNS).where(
            or_(files.c.expires_at.is_(None), files.c.expires_at > self._now())
        )
        if purpose is not None:
            query = query.where(files.c.purpose == purpose if is_storable(purpose) else false())
        listing = Listing(limit=limit, order=order, after=after, before=before)
        with self._read() as connection:
            rows, has_more = read_page(
                connection, query, files, listing, seen=seen_files(self._viewer)
            )
        return Page(items=tuple(file_record(row) for row in rows), has_more=has_more)

    def file_content(self, file_id: str) -> bytes:
        """The bytes as they were uploaded.

        Raises:
            UnknownFileError: the file does not exist, or has expired.
        """
        with self._read() as connection:
            require_file(connection, file_id, self._now(), self._viewer)
            query = select(files.c.content).where(files.c.id == file_id)
            return bytes(connection.execute(query).scalar_one())

    def set_file_access(self, file_id: str, access: str | None) -> FileRecord:
        """Says anew who of the tenant may see a file; searches obey at once.

        Raises:
            UnknownFileError: the file does not exist, or has expired.
            NotWritableError: the key is not for that.
        """
        with self._write() as connection:
            row = require_file(connection, file_id, self._now(), self._viewer)
            check_file_writable(row.key_id, self._viewer)
            connection.execute(update(files).where(files.c.id == file_id).values(access=access))
            found = find_row(connection, select(*FILE_COLUMNS).where(files.c.id == file_id))
            indexed = select(chunks.c.store_id).where(chunks.c.file_id == file_id).distinct()
            stores = connection.execute(indexed).scalars().all()
            log_changes(connection, "upsert", [(store_id, file_id) for store_id in stores])
            assert found is not None
            return file_record(found)

    def delete_file(self, file_id: str) -> None:
        """Deletes a file, and all that stores hold of it.

        Raises:
            UnknownFileError: the file does not exist, or has expired.
            NotWritableError: the key is not for that.
        """
        with self._write() as connection:
            row = require_file(connection, file_id, self._now(), self._viewer)
            check_file_writable(row.key_id, self._viewer)
            stores = select(store_files.c.store_id).where(store_files.c.file_id == file_id)
            gone = [(store_id, file_id) for store_id in connection.execute(stores).scalars()]
            connection.execute(delete(files).where(files.c.id == file_id))
            log_changes(connection, "delete", gone)


def check_file(filename: str, num_bytes: int) -> None:
    """Checks size and name of a file that is to be kept.

    Raises:
        InvalidFileError: no bytes, too many bytes, or a name of a bad length.
    """
    if not 1 <= num_bytes <= MAX_FILE_BYTES:
        raise InvalidFileError(f"a file must have 1..{MAX_FILE_BYTES} bytes, got {num_bytes}")
    if not 1 <= len(filename) <= MAX_FILENAME_CHARS:
        raise InvalidFileError(
            f"a filename must have 1..{MAX_FILENAME_CHARS} characters, got {len(filename)}"
        )


def file_values(
    *,
    filename: str,
    purpose: str,
    data: bytes,
    now: int,
    expires_after_s: int | None,
    owner: Mapping[str, str | None],
) -> dict[str, Any]:
    """The row of a new file."""
    return {
        "id": f"file-{uuid.uuid4().hex}",
        "filename": filename,
        "purpose": purpose,
        "num_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "created_at": now,
        "expires_at": None if expires_after_s is None else now + expires_after_s,
        "status": "processed",
        "content": data,
        **owner,
    }


def owner_values(viewer: Viewer, access: str | None) -> dict[str, str | None]:
    """The columns that say whose a new row is."""
    return {"tenant": viewer.tenant, "key_id": viewer.key_id, "access": access}


def file_record(row: AnyRow) -> FileRecord:
    """The record of a row of `FILE_COLUMNS`."""
    return FileRecord(
        id=row.id,
        filename=row.filename,
        purpose=row.purpose,
        num_bytes=row.num_bytes,
        sha256=row.sha256,
        created_at=row.created_at,
        expires_at=row.expires_at,
        status=row.status,
        access=row.access,
    )
