"""Files put into a vector store: any number of them, with the same few statements."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from index.access import Viewer
from index.catalog.attributes import is_storable
from index.catalog.database import log_changes
from index.catalog.keys.seen import seen_files
from index.catalog.lookups import AnyRow, chunking_of, chunking_values
from index.catalog.schema import chunks, files, jobs, store_files, vector_stores
from index.catalog.tenants.stored import check_passages
from index.errors import InvalidFileBatchError, UnknownFileError
from index.records import Attachment

_UNSUCCESSFUL = ("failed", "cancelled")


def attach_files(
    connection: Connection,
    store_id: str,
    attachments: Sequence[Attachment],
    *,
    now: int,
    viewer: Viewer,
    batch_id: str | None = None,
) -> None:
    """Adds the files that the store does not hold yet, and a job for each unless none is needed.

    A file that is there already is indexed again when it failed, was cancelled, or is cut in
    another way now. Attributes, where given, replace those it had. All of the files belong to the
    given batch from then on, or to none. There must be room for one passage of each new file.

    Raises:
        UnknownFileError: one of them does not exist, or has expired.
        InvalidFileBatchError: a file is named twice with different attributes or chunking.
        StoredLimitError: the tenant has all passages that it may have.
    """
    named = _by_file_id(attachments)
    _require_files(connection, list(named), now, viewer)
    stored = _stored(connection, store_id, list(named))
    fresh = [one for one in named.values() if one.file_id not in stored]
    known = [one for one in named.values() if one.file_id in stored]
    renewed = [one for one in known if _is_renewed(stored[one.file_id], one)]
    if fresh:
        check_passages(connection, viewer.tenant, len(fresh), viewer.most_passages)
        rows = [_new_row(store_id, one, batch_id=batch_id, now=now) for one in fresh]
        connection.execute(insert(store_files), rows)
    if known:
        rows = [_changed_row(stored[one.file_id], one, batch_id) for one in known]
        statement = update(store_files).where(store_files.c.seq == bindparam("of_seq"))
        connection.execute(statement, rows)
    queued = [one.file_id for one in (*fresh, *renewed)]
    _queue(connection, store_id, queued, now, viewer.most_passages)
    _log_attributes(connection, store_id, known)


def _by_file_id(attachments: Sequence[Attachment]) -> dict[str, Attachment]:
    named: dict[str, Attachment] = {}
    for one in attachments:
        if named.setdefault(one.file_id, one) != one:
            raise InvalidFileBatchError(
                f"file {one.file_id!r} is named twice with different attributes or chunking"
            )
    return named


def _require_files(
    connection: Connection, file_ids: Sequence[str], now: int, viewer: Viewer
) -> None:
    query = select(files.c.id).where(
        files.c.id.in_(filter(is_storable, file_ids)),
        files.c.expires_at.is_(None) | (files.c.expires_at > now),
        *seen_files(viewer),
    )
    known = set(connection.execute(query).scalars())
    unknown = [file_id for file_id in file_ids if file_id not in known]
    if unknown:
        others = f", nor {len(unknown) - 1} more of the {len(file_ids)}" if unknown[1:] else ""
        raise UnknownFileError(f"no file {unknown[0]!r}{others}")


def _stored(connection: Connection, store_id: str, file_ids: Sequence[str]) -> Mapping[str, AnyRow]:
    """Those of the files that the store holds."""
    query = select(store_files).where(
        store_files.c.store_id == store_id, store_files.c.file_id.in_(file_ids)
    )
    return {row.file_id: row for row in connection.execute(query)}


def _is_renewed(row: AnyRow, attachment: Attachment) -> bool:
    return row.status in _UNSUCCESSFUL or chunking_of(row) != attachment.chunking


def _new_row(
    store_id: str, attachment: Attachment, *, batch_id: str | None, now: int
) -> dict[str, Any]:
    return {
        "store_id": store_id,
        "file_id": attachment.file_id,
        "status": "in_progress",
        "attributes": attachment.attributes or {},
        "usage_bytes": 0,
        "created_at": now,
        "batch_id": batch_id,
        **chunking_values(attachment.chunking),
    }


def _changed_row(row: AnyRow, attachment: Attachment, batch_id: str | None) -> dict[str, Any]:
    is_renewed = _is_renewed(row, attachment)
    return {
        "of_seq": row.seq,
        "status": "in_progress" if is_renewed else row.status,
        "error_code": None if is_renewed else row.error_code,
        "error_message": None if is_renewed else row.error_message,
        "attributes": row.attributes if attachment.attributes is None else attachment.attributes,
        "batch_id": batch_id,
        **chunking_values(attachment.chunking),
    }


def _queue(
    connection: Connection, store_id: str, file_ids: Sequence[str], now: int, most: int | None
) -> None:
    """Gives each file a new job in place of any that it had."""
    if not file_ids:
        return
    outdated = delete(jobs).where(jobs.c.store_id == store_id, jobs.c.file_id.in_(file_ids))
    connection.execute(outdated)
    row = {"store_id": store_id, "attempts": 0, "most_passages": most}
    rows = [row | {"file_id": file_id} for file_id in file_ids]
    connection.execute(insert(jobs), rows)
    store = update(vector_stores).where(vector_stores.c.id == store_id)
    connection.execute(store.values(last_active_at=now))


def _log_attributes(
    connection: Connection, store_id: str, attachments: Sequence[Attachment]
) -> None:
    """Tells search of new attributes of the files that it knows."""
    changed = [one.file_id for one in attachments if one.attributes is not None]
    if not changed:
        return
    query = (
        select(chunks.c.file_id)
        .where(chunks.c.store_id == store_id, chunks.c.file_id.in_(changed))
        .distinct()
    )
    known = set(connection.execute(query).scalars())
    log_changes(connection, "upsert", [(store_id, one) for one in changed if one in known])
