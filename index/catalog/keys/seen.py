"""Which files and stores a viewer sees, as conditions of queries; so what is hidden does not exist.

In SQL and not afterwards, so that pages are full and a hidden store takes no name from another.
"""

from functools import lru_cache

from sqlalchemy import ColumnElement, Table, exists, func, or_, select

from index.access import Viewer
from index.catalog.schema import files, store_files, uploads, vector_stores
from index.errors import NotWritableError

Conditions = tuple[ColumnElement[bool], ...]


@lru_cache(maxsize=128)
def seen_stores(viewer: Viewer | None) -> Conditions:
    """Conditions on `vector_stores`; None is the server itself, which sees all of everybody."""
    if viewer is None:
        return ()
    allowed = () if viewer.readable is None else (vector_stores.c.id.in_(sorted(viewer.readable)),)
    return (*_admitted(vector_stores, viewer), *allowed)


@lru_cache(maxsize=128)
def seen_files(viewer: Viewer | None) -> Conditions:
    """Conditions on `files`; who may read some stores alone sees what they hold, and its own."""
    if viewer is None:
        return ()
    admitted = _admitted(files, viewer)
    if viewer.readable is None:
        return admitted
    held_by = store_files.alias()  # these may stand in the query around as well
    held = exists(
        select(held_by.c.seq)
        .where(held_by.c.file_id == files.c.id, held_by.c.store_id.in_(sorted(viewer.readable)))
        .correlate(files)
    )
    return (*admitted, or_(files.c.key_id == viewer.key_id, held))


@lru_cache(maxsize=128)
def seen_uploads(viewer: Viewer) -> Conditions:
    """Conditions on `uploads`; who may read some stores alone sees its own."""
    own = () if viewer.readable is None else (uploads.c.key_id == viewer.key_id,)
    return (*_admitted(uploads, viewer), *own)


def of_own_key(table: Table, viewer: Viewer) -> Conditions:
    """Conditions on answers and batches, which hold what one key saw: others see them that see all.

    Args:
        table: one with a column `key_id`.
        viewer: who asks.
    """
    return () if viewer.principals is None else (table.c.key_id == viewer.key_id,)


def _admitted(table: Table, viewer: Viewer) -> Conditions:
    of_tenant = table.c.tenant == viewer.tenant
    if viewer.principals is None:
        return (of_tenant,)
    access = table.c.access
    # Not LIKE, in which SQLite takes upper and lower case for the same.
    named = (func.replace(access, f"|{one}|", "") != access for one in sorted(viewer.principals))
    return of_tenant, or_(access.is_(None), *named)


def check_store_writable(store_id: str | None, viewer: Viewer) -> None:
    """Checks that a store that is seen may be changed; None: that one may be made.

    Raises:
        NotWritableError: the key is not for that.
    """
    if viewer.writable is not None and store_id not in viewer.writable:
        raise NotWritableError("the key may not change this vector store")


def check_file_writable(key_id: str | None, viewer: Viewer) -> None:
    """Checks that a file that is seen may be changed: who writes to some stores, its own alone.

    Raises:
        NotWritableError: the key is not for that.
    """
    if viewer.writable is not None and key_id != viewer.key_id:
        raise NotWritableError("the key may not change this file")
