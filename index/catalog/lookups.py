"""Rows found by id, or the error that says what is missing; and pages of rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Connection,
    Row,
    Select,
    Table,
    bindparam,
    func,
    select,
    union_all,
)

from index.access import Viewer
from index.catalog.attributes import is_storable
from index.catalog.keys.seen import Conditions, seen_files, seen_stores
from index.catalog.schema import files, store_files, vector_stores
from index.errors import (
    ExpiredStoreError,
    UnknownBeforeError,
    UnknownCursorError,
    UnknownFileError,
    UnknownStoreError,
    UnknownStoreFileError,
)
from index.records import Chunking, Order

SECONDS_A_DAY = 86_400
AnyRow = Row[Any]
_EVERYWHERE: Mapping[str, str] = {}

# What a search must know of a store. The statements are built once a viewer, since every search
# asks them.
_IN_BRIEF: Select[Any] = select(
    *(vector_stores.c[name] for name in ("seq", "id", "name", "last_active_at")),
    vector_stores.c.expires_after_days,
)
FILE_COLUMNS = [column for column in files.c if column.name != "content"]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Which page of a list is wanted.

    Attributes:
        limit: most items on it.
        order: of creation; "desc" is newest first.
        after: id of the item after which the page begins.
        before: id of the item before which it ends.
    """

    limit: int
    order: Order
    after: str | None = None
    before: str | None = None


@lru_cache(maxsize=128)
def _store_query(viewer: Viewer | None) -> Select[Any]:
    by_id = vector_stores.c.id == bindparam("store_id")
    return select(vector_stores).where(by_id, *seen_stores(viewer))


@lru_cache(maxsize=128)
def every_store(viewer: Viewer) -> Select[Any]:
    """What a search must know of every store that the viewer sees, oldest first."""
    return _IN_BRIEF.where(*seen_stores(viewer)).order_by(vector_stores.c.seq)


@lru_cache(maxsize=128)
def _named_stores(viewer: Viewer) -> CompoundSelect[Any]:
    seen = seen_stores(viewer)
    oldest_of_name = (
        select(func.min(vector_stores.c.seq))
        .where(vector_stores.c.name.in_(bindparam("named", expanding=True)), *seen)
        .group_by(vector_stores.c.name)
    )
    # Two halves and no OR, so that PostgreSQL takes an index for each; one row a name, since any
    # number of stores may have no name.
    return union_all(
        _IN_BRIEF.where(vector_stores.c.id.in_(bindparam("named", expanding=True)), *seen),
        _IN_BRIEF.where(vector_stores.c.seq.in_(oldest_of_name)),
    )


def require_file(connection: Connection, file_id: str, now: int, viewer: Viewer | None) -> AnyRow:
    """The file without its bytes.

    Raises:
        UnknownFileError: it does not exist for this viewer, or has expired.
    """
    query = select(*FILE_COLUMNS).where(files.c.id == file_id, *seen_files(viewer))
    row = find_row(connection, query, file_id)
    if row is None or (row.expires_at is not None and row.expires_at <= now):
        raise UnknownFileError(f"no file {file_id!r}")
    return row


def require_store(connection: Connection, store_id: str, viewer: Viewer | None) -> AnyRow:
    """The vector store, expired or not; viewer None is the server itself.

    Raises:
        UnknownStoreError: it does not exist for this viewer.
    """
    asked, query = {"store_id": store_id}, _store_query(viewer)
    row = connection.execute(query, asked).first() if is_storable(store_id) else None
    if row is None:
        raise UnknownStoreError(f"no vector store {store_id!r}")
    return row


def require_live_store(
    connection: Connection, store_id: str, now: int, viewer: Viewer | None
) -> AnyRow:
    """The vector store, to be used.

    Raises:
        UnknownStoreError: it does not exist for this viewer.
        ExpiredStoreError: it has expired.
    """
    return require_live(require_store(connection, store_id, viewer), now)


def require_live(store: AnyRow, now: int) -> AnyRow:
    """The same store.

    Raises:
        ExpiredStoreError: it has expired.
    """
    if has_expired(store, now):
        expires_at = store_expires_at(store)
        raise ExpiredStoreError(f"vector store {store.id!r} expired at {expires_at}, now {now}")
    return store


def require_named_stores(
    connection: Connection, named: Sequence[str], viewer: Viewer
) -> list[AnyRow]:
    """For each text the store with that id, else the oldest with that name; expired or not.

    Names are those of the viewer's tenant, and of stores that it sees.

    Raises:
        UnknownStoreError: a text is neither.
    """
    asked = {"named": [text for text in named if is_storable(text)]}
    rows = connection.execute(_named_stores(viewer), asked).all()
    by_name = {row.name: row for row in sorted(rows, key=lambda row: -int(row.seq))}
    by_name_or_id = by_name | {row.id: row for row in rows}
    for text in named:
        if text not in by_name_or_id:
            raise UnknownStoreError(f"no vector store has the id or name {text!r}")
    return [by_name_or_id[text] for text in named]


def require_store_file(
    connection: Connection, store_id: str, file_id: str, viewer: Viewer | None
) -> AnyRow:
    """The store file, with the file's `filename`.

    Raises:
        UnknownStoreError: there is no such store.
        UnknownStoreFileError: the file is not attached to the store.
    """
    require_store(connection, store_id, viewer)
    query = select_store_files().where(
        store_files.c.store_id == store_id, store_files.c.file_id == file_id, *seen_files(viewer)
    )
    row = find_row(connection, query, store_id, file_id)
    if row is None:
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
    """All store files, with the file's `filename` and access list."""
    columns = (files.c.filename, files.c.access)
    return select(store_files, *columns).join(files, files.c.id == store_files.c.file_id)


def store_expires_at(row: AnyRow) -> int | None:
    """When a store of these columns expires if nobody uses it until then."""
    if row.expires_after_days is None:
        return None
    return int(row.last_active_at + row.expires_after_days * SECONDS_A_DAY)


def has_expired(store: AnyRow, now: int) -> bool:
    """Whether nobody used the store for longer than it allows."""
    expires_at = store_expires_at(store)
    return expires_at is not None and expires_at <= now


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


def read_page(  # noqa: PLR0913 - what is listed, which page of it, and for whom
    connection: Connection,
    query: Select[Any],
    table: Table,
    listing: Listing,
    *,
    key: str = "id",
    scope: Mapping[str, str] = _EVERYWHERE,
    seen: Conditions = (),
) -> tuple[list[AnyRow], bool]:
    """One page of a query over `table`, in the order of creation.

    Args:
        connection: the transaction.
        query: selects the whole list.
        table: the table whose `seq` orders it.
        listing: which page. With `before` alone it is the one that ends there.
        key: the column that cursors name.
        scope: column values of the rows that a cursor may name.
        seen: conditions on `table` that hold for all that the viewer sees.

    Returns:
        The rows, and whether more follow; with `before` alone, whether more precede.

    Raises:
        UnknownCursorError: a cursor names no row.
    """
    query = query.where(*seen)
    is_backward = listing.before is not None and listing.after is None
    is_falling = listing.order == "desc"
    for name, value in (("after", listing.after), ("before", listing.before)):
        if value is not None:
            named = {**scope, key: value}
            is_older = is_falling == (name == "after")
            found = select(table.c.seq).where(*(table.c[one] == named[one] for one in named), *seen)
            seq = _seq_of(connection, found, list(named.values()), name)
            query = query.where(table.c.seq < seq if is_older else table.c.seq > seq)
    query = query.order_by(table.c.seq.desc() if is_falling != is_backward else table.c.seq)
    rows = list(connection.execute(query.limit(listing.limit + 1)).all())
    page = rows[: listing.limit]
    return page[::-1] if is_backward else page, len(rows) > listing.limit


def _seq_of(connection: Connection, query: Select[Any], named: Sequence[str], cursor: str) -> int:
    row = find_row(connection, query, *named)
    if row is None:
        error = UnknownCursorError if cursor == "after" else UnknownBeforeError
        raise error(f"no such `{cursor}`: {', '.join(named)}")
    return int(row.seq)
