"""How much a tenant stores, and what it may; asked in the transaction that adds something.

Sums of what is there, over indexes that hold all they need: nothing is counted twice or forgotten,
whatever adds or deletes it. What has expired is not counted, and its bytes go: a tenant could not
delete them, and would fill the disk beside its limit.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, or_, select, update

from index.access import Viewer
from index.catalog.lookups import AnyRow
from index.catalog.schema import files, store_files, vector_stores
from index.errors import StoredLimitError

ROWS_AT_ONCE = 100  # others write between two portions of what is deleted
BYTES_AT_ONCE = 256 * 2**20  # of files; each upload adds no more than that


def stored_bytes(connection: Connection, tenant: str, now: int) -> int:
    """The bytes of all files of a tenant that have not expired."""
    lives = or_(files.c.expires_at.is_(None), files.c.expires_at > now)
    query = select(func.coalesce(func.sum(files.c.num_bytes), 0))
    return int(connection.execute(query.where(files.c.tenant == tenant, lives)).scalar_one())


def stored_passages(connection: Connection, tenant: str) -> int:
    """The passages in all stores of a tenant."""
    query = (
        select(func.coalesce(func.sum(store_files.c.num_passages), 0))
        .join(vector_stores, vector_stores.c.id == store_files.c.store_id)
        .where(vector_stores.c.tenant == tenant)
    )
    return int(connection.execute(query).scalar_one())


def check_bytes(
    connection: Connection, viewer: Viewer, num_added: int, now: int, *, is_there: bool = False
) -> None:
    """Checks that a file fits, and drops some that have expired.

    Args:
        connection: a transaction that holds the head.
        viewer: whose the file is.
        num_added: bytes of the file.
        now: unix seconds.
        is_there: whether it is written already, in this transaction.

    Raises:
        StoredLimitError: it does not.
    """
    if viewer.most_bytes is None:
        return
    _drop_expired(connection, viewer.tenant, now)
    stored = stored_bytes(connection, viewer.tenant, now) - (num_added if is_there else 0)
    if stored + num_added > viewer.most_bytes:
        raise StoredLimitError(
            f"the files of the tenant must have at most {viewer.most_bytes} bytes together, got "
            f"{stored} + {num_added}: delete some"
        )


def check_passages(connection: Connection, tenant: str, num_added: int, most: int | None) -> None:
    """Checks that passages fit.

    Args:
        connection: a writing transaction.
        tenant: whose the store is.
        num_added: how many more there will be.
        most: the limit; None: none.

    Raises:
        StoredLimitError: they do not.
    """
    if most is None or num_added <= 0:
        return
    stored = stored_passages(connection, tenant)
    if stored + num_added > most:
        raise StoredLimitError(
            f"the vector stores of the tenant must have at most {most} passages together, got "
            f"{stored} + {num_added}: delete some"
        )


def _drop_expired(connection: Connection, tenant: str, now: int) -> None:
    """Deletes the bytes of some files that have expired; what stores hold of them stays."""
    some: Select[Any] = select(files.c.seq, files.c.num_bytes.label("weight")).where(
        files.c.tenant == tenant, files.c.expires_at <= now, files.c.num_bytes > 0
    )
    rows = light(connection.execute(some.limit(ROWS_AT_ONCE)).all(), BYTES_AT_ONCE)
    if not rows:
        return
    dropped = files.c.seq.in_([row.seq for row in rows])
    is_held = exists(select(store_files.c.seq).where(store_files.c.file_id == files.c.id))
    connection.execute(delete(files).where(dropped, ~is_held))
    connection.execute(update(files).where(dropped).values(content=b"", num_bytes=0))


def light(rows: Sequence[AnyRow], most: int) -> Sequence[AnyRow]:
    """The first rows, at least one, whose `weight` is at most so much together."""
    weight = 0
    for number, row in enumerate(rows):
        weight += int(row.weight)
        if number and weight > most:
            return rows[:number]
    return rows
