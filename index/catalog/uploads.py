"""Files that are uploaded in parts, which are put together when all have come.

create -> pending --parts--> complete -> a file, as if it had been uploaded at once
             |-- cancel ---> cancelled
             '-- an hour --> expired        its parts go when the next upload begins
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, delete, func, insert, select, update

from index.access import Viewer
from index.catalog.attributes import check_storable
from index.catalog.database import Database
from index.catalog.files import MAX_FILE_BYTES, check_file, file_record, file_values, owner_values
from index.catalog.keys.seen import seen_uploads
from index.catalog.lookups import FILE_COLUMNS, AnyRow, find_row
from index.catalog.schema import files, upload_parts, uploads
from index.catalog.tenants.stored import check_bytes
from index.errors import InvalidUploadError, UnknownUploadError, UploadsFullError
from index.records import FileRecord

LIFE_S = 3600  # of an upload that is not completed, as OpenAI has it
# A part whose reply was lost is sent again; all of them together may be so much too much.
_MOST_TIMES = 2
MAX_PENDING_BYTES = 16 * MAX_FILE_BYTES  # of the parts of all uploads that are not completed


@dataclass(frozen=True, kw_only=True)
class UploadRecord:
    """A file that is uploaded in parts; `expired` was judged at the moment of reading.

    `file` is what it has become; None also when that was deleted since.
    """

    id: str
    filename: str
    purpose: str
    num_bytes: int
    created_at: int
    expires_at: int
    cancelled: bool
    completed: bool
    expired: bool
    file: FileRecord | None

    @property
    def status(self) -> Literal["pending", "completed", "cancelled", "expired"]:
        """The state of the upload as a client sees it."""
        if self.completed:
            return "completed"
        if self.cancelled:
            return "cancelled"
        return "expired" if self.expired else "pending"


@dataclass(frozen=True, kw_only=True)
class UploadPartRecord:
    """A part of an upload, without its bytes."""

    id: str
    upload_id: str
    created_at: int


class Uploads(Database):
    """The part of the catalog that keeps uploads which come in parts."""

    def create_upload(
        self,
        *,
        filename: str,
        purpose: str,
        num_bytes: int,
        file_expires_after_s: int | None,
        access: str | None = None,
    ) -> UploadRecord:
        """Begins an upload; what expired of others is swept away.

        Raises:
            InvalidFileError: no bytes, too many bytes, or a name of a bad length.
            InvalidAttributesError: a name that cannot be stored.
            StoredLimitError: the tenant may not store so much.
        """
        check_storable(filename)
        check_file(filename, num_bytes)
        now = self._now()
        upload_id = f"upload_{uuid.uuid4().hex}"
        with self._write() as connection:
            _sweep(connection, now)
            check_bytes(connection, self._viewer, num_bytes, now)
            connection.execute(
                insert(uploads).values(
                    id=upload_id,
                    filename=filename,
                    purpose=purpose,
                    num_bytes=num_bytes,
                    created_at=now,
                    expires_at=now + LIFE_S,
                    file_expires_after_s=file_expires_after_s,
                    **owner_values(self._viewer, access),
                )
            )
            return _record(connection, upload_id, self._now(), self._viewer)

    def add_upload_part(self, upload_id: str, data: bytes) -> UploadPartRecord:
        """Keeps a part; on return it is durable.

        Raises:
            UnknownUploadError: no such upload.
            InvalidUploadError: it is not pending, or the parts are too large for it.
            UploadsFullError: the parts of all uploads are too large together.
        """
        part = UploadPartRecord(
            id=f"part_{uuid.uuid4().hex}", upload_id=upload_id, created_at=self._now()
        )
        with self._write() as connection:
            upload = _pending(connection, upload_id, self._now(), self._viewer)
            held = select(func.coalesce(func.sum(upload_parts.c.num_bytes), 0)).where(
                upload_parts.c.upload_id == upload_id
            )
            num_held = int(connection.execute(held).scalar_one())
            most = _MOST_TIMES * upload.num_bytes
            if not data or num_held + len(data) > most:
                raise InvalidUploadError(
                    f"the parts of an upload of {upload.num_bytes} bytes must have 1..{most} bytes "
                    f"together, got {num_held} + {len(data)}"
                )
            _sweep(connection, self._now())
            of_all = select(func.coalesce(func.sum(upload_parts.c.num_bytes), 0))
            num_of_all = int(connection.execute(of_all).scalar_one())
            if num_of_all + len(data) > MAX_PENDING_BYTES:
                raise UploadsFullError(
                    f"the parts of all pending uploads must have at most {MAX_PENDING_BYTES} bytes "
                    f"together, got {num_of_all} + {len(data)}: complete or cancel some"
                )
            row = {**vars(part), "num_bytes": len(data), "content": data}
            connection.execute(insert(upload_parts).values(row))
        return part

    def complete_upload(
        self, upload_id: str, part_ids: Sequence[str], *, md5: str | None = None
    ) -> UploadRecord:
        """Puts the parts together, in the given order; done again, it gives the same file.

        Args:
            upload_id: which.
            part_ids: each part of the file once.
            md5: of the whole file, in hex; None is not compared.

        Raises:
            UnknownUploadError: no such upload.
            InvalidUploadError: it is not pending, or the parts do not make up what was announced.
            StoredLimitError: the tenant may not store so much.
        """
        with self._read() as connection:  # parts never change, so nobody waits for the hashes
            record = _record(connection, upload_id, self._now(), self._viewer)
            if record.status == "completed":
                return record
            upload = _pending(connection, upload_id, self._now(), self._viewer)
            data = _joined(connection, upload, part_ids)
        digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if md5 is not None and md5.lower() != digest:
            raise InvalidUploadError(f"md5 must be that of the file, {digest}, got {md5[:64]}")
        values = file_values(
            filename=upload.filename,
            purpose=upload.purpose,
            data=data,
            now=self._now(),
            expires_after_s=upload.file_expires_after_s,
            owner=owner_values(self._viewer, upload.access),
        )
        with self._write() as connection:
            record = _record(connection, upload_id, self._now(), self._viewer)
            if record.status == "completed":
                return record
            _pending(connection, upload_id, self._now(), self._viewer)
            check_bytes(connection, self._viewer, len(data), self._now())
            connection.execute(insert(files).values(values))
            connection.execute(
                update(uploads).where(uploads.c.id == upload_id).values(file_id=values["id"])
            )
            connection.execute(delete(upload_parts).where(upload_parts.c.upload_id == upload_id))
            return _record(connection, upload_id, self._now(), self._viewer)

    def cancel_upload(self, upload_id: str) -> UploadRecord:
        """Gives an upload up; its parts go.

        Raises:
            UnknownUploadError: no such upload.
            InvalidUploadError: it is completed, or expired.
        """
        with self._write() as connection:
            record = _record(connection, upload_id, self._now(), self._viewer)
            if record.status == "cancelled":
                return record
            _pending(connection, upload_id, self._now(), self._viewer)
            cancelled = update(uploads).where(uploads.c.id == upload_id)
            connection.execute(cancelled.values(cancelled_at=self._now()))
            connection.execute(delete(upload_parts).where(upload_parts.c.upload_id == upload_id))
            return _record(connection, upload_id, self._now(), self._viewer)


def _sweep(connection: Connection, now: int) -> None:
    """Deletes the parts of expired uploads, and what is known of them an hour later."""
    expired = uploads.c.file_id.is_(None) & (uploads.c.expires_at <= now)
    ids = select(uploads.c.id).where(expired)
    connection.execute(delete(upload_parts).where(upload_parts.c.upload_id.in_(ids)))
    gone = expired & (uploads.c.expires_at <= now - LIFE_S)
    connection.execute(delete(uploads).where(gone))


def _pending(connection: Connection, upload_id: str, now: int, viewer: Viewer) -> AnyRow:
    status = _record(connection, upload_id, now, viewer).status
    if status != "pending":
        raise InvalidUploadError(f"the upload must be pending, it is {status}")
    return connection.execute(select(uploads).where(uploads.c.id == upload_id)).one()


def _record(connection: Connection, upload_id: str, now: int, viewer: Viewer) -> UploadRecord:
    asked = select(uploads).where(uploads.c.id == upload_id, *seen_uploads(viewer))
    row = find_row(connection, asked, upload_id)
    if row is None:
        raise UnknownUploadError(f"no upload {upload_id!r}")
    query = select(*FILE_COLUMNS).where(files.c.id == (row.file_id or ""))
    file = connection.execute(query).one_or_none()
    return UploadRecord(
        id=row.id,
        filename=row.filename,
        purpose=row.purpose,
        num_bytes=row.num_bytes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        cancelled=row.cancelled_at is not None,
        completed=row.file_id is not None,
        expired=row.expires_at <= now,
        file=None if file is None else file_record(file),
    )


def _joined(connection: Connection, upload: AnyRow, part_ids: Sequence[str]) -> bytes:
    query = select(upload_parts.c.id, upload_parts.c.num_bytes).where(
        upload_parts.c.upload_id == upload.id
    )
    held = {row.id: row.num_bytes for row in connection.execute(query)}
    seen: set[str] = set()
    for part_id in part_ids:
        if part_id not in held or part_id in seen:
            raise InvalidUploadError(f"part_ids must name each part once, got {part_id[:64]!r}")
        seen.add(part_id)
    num_bytes = sum(held[part_id] for part_id in part_ids)
    if num_bytes != upload.num_bytes:
        raise InvalidUploadError(
            f"the parts must have the {upload.num_bytes} bytes of the upload, got {num_bytes}"
        )
    content = select(upload_parts.c.content)
    pieces = (
        connection.execute(content.where(upload_parts.c.id == part_id)).scalar_one()
        for part_id in part_ids
    )
    return b"".join(pieces)
