"""Rows found by id, or the error that says what is missing; and pages of rows."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, bindparam, select

from index.catalog.attributes import is_storable
from index.catalog.schema import files, store_files, vector_stores
from index.errors import (
    ExpiredStoreError,
    UnknownCursorError,
    UnknownFileError,
    UnknownStoreError,
    UnknownStoreFileError,
)
from index.records import Chunking, Order

SECONDS_A_DAY = 86_400
AnyRow = Row[Any]

# Built once, since every search asks it.
_STORE = select(vector_stores).where(vector_stores.c.id == bindparam("store_id"))
FILE_COLUMNS = [column for column in files.c if column.name != "content"]


def require_file(connection: Connection, file_id: str, now: int) -> AnyRow:
    """The file without its bytes.

    Raises:
        UnknownFileError: it does not exist, or has expired.
    """
    row = find_row(connection, select(*FILE_COLUMNS).where(files.c.id == file_id), file_id)
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise UnknownFileError(f"no file {file_id!r}")
    return row


def require_store(connection: Connection, store_id: str) -> AnyRow:
    """The vector store, expired or not.

    Raises:
        UnknownStoreError: it does not exist.
    """
    asked = {"store_id": store_id}
    row = connection.execute(_STORE, asked).first() if is_storable(store_id) else None
    if row is None:
        raise UnknownStoreError(f"no vector store {store_id!r}")
    return row


def require_live_store(connection: Connection, store_id: str, now: int) -> AnyRow:
    """The vector store, to be used.

    Raises:
        UnknownStoreError: it does not exist.
        ExpiredStoreError: it has expired.
    """
    row = require_store(connection, store_id)
    expires_at = store_expires_at(row)
    if expires_at is not None and expires_at <= now:
        raise ExpiredStoreError(f"vector store {store_id!r} expired at {expires_at}, now {now}")
    return row


def require_store_file(connection: Connection, store_id: str, file_id: str) -> AnyRow:
    """The store file, with the file's `filename`.

    Raises:
        UnknownStoreError: there is no such store.
        UnknownStoreFileError: the file is not attached to the store.
    """
    query = select_store_files().where(
        store_files.c.store_id == store_id, store_files.c.file_id == file_id
    )
    row = find_row(connection, query, store_id, file_id)
    if row is None:
        require_store(connection, store_id)
        raise UnknownStoreFileError(f"no file {file_id!r} in vector store {store_id!r}")
    return row


def find_row(connection: Connection, query: Select[Any], *named: str) -> AnyRow | None:
    """The first row of a query by texts that a client chose; what cannot be stored names nothing.

    A driver would refuse such a text with an error of its own.
    """
    if not all(map(is_storable, named)):
        return None
    return connection.execute(query).first()


def select_store_files() -> Select[Any]:
    """All store files, with the file's `filename`."""
    return select(store_files, files.c.filename).join(files, files.c.id == store_files.c.file_id)


def store_expires_at(row: AnyRow) -> int | None:
    """When a store of these columns expires if nobody uses it until then."""
    if row.expires_after_days is None:
        return None
    return int(row.last_active_at + row.expires_after_days * SECONDS_A_DAY)


def chunking_of(row: AnyRow) -> Chunking | None:
    """The chunking in the columns of a store or a store file."""
    if row.max_chunk_tokens is None:
        return None
    return Chunking(
        max_chunk_tokens=row.max_chunk_tokens, chunk_overlap_tokens=row.chunk_overlap_tokens
    )


def chunking_values(chunking: Chunking | None) -> dict[str, int | None]:
    """The columns that hold this chunking."""
    return {
        "max_chunk_tokens": chunking.max_chunk_tokens if chunking else None,
        "chunk_overlap_tokens": chunking.chunk_overlap_tokens if chunking else None,
    }


def read_page(
    connection: Connection,
    query: Select[Any],
    table: Table,
    *,
    limit: int,
    order: Order,
    cursor: Mapping[str, str | None],
) -> tuple[list[AnyRow], bool]:
    """One page of a query over `table`, in the order of creation.

    Args:
        connection: the transaction.
        query: selects the whole list.
        table: the table whose `seq` orders it.
        limit: rows on the page.
        order: "desc" is newest first.
        cursor: column values of the row after which the page starts; any None means from the start.

    Returns:
        The rows, and whether more follow.

    Raises:
        UnknownCursorError: the cursor names no row.
    """
    values = [value for value in cursor.values() if value is not None]
    if len(values) == len(cursor):
        named = and_(*(table.c[name] == value for name, value in cursor.items()))
        row = find_row(connection, select(table.c.seq).where(named), *values)
        if row is None:
            raise UnknownCursorError(f"no such `after`: {', '.join(values)}")
        query = query.where(table.c.seq < row.seq if order == "desc" else table.c.seq > row.seq)
    query = query.order_by(table.c.seq.desc() if order == "desc" else table.c.seq)
    rows = connection.execute(query.limit(limit + 1)).all()
    return list(rows[:limit]), len(rows) > limit
