"""The change log as search replicas read it."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Subquery, select

from index.catalog.database import Database
from index.catalog.lookups import AnyRow, select_store_files
from index.catalog.schema import changes, chunks, store_files, vector_stores, vectors
from index.records import Change, StoredPassage
from index.shard import WHOLE, Shard

StoreFileKey = tuple[str, str]


class ChangeLog(Database):
    """The part of the catalog that search replicas fold."""

    def changes_since(self, number: int, limit: int = 100, shard: Shard = WHOLE) -> list[Change]:
        """The next changes after `number`, in order, without gaps; passages of one shard only.

        An upsert is read as the file is now, so a fold that has reached `head()` equals the
        catalog, whatever happened in between.
        """
        query = select(changes).where(changes.c.number > number).order_by(changes.c.number)
        with self._read() as connection:
            logged = connection.execute(query.limit(limit)).all()
            contents = _contents(connection, _named(number, number + len(logged)), shard)
            contents |= _switches(connection, logged)
        return [_change(row, contents) for row in logged]

    def store_contents(
        self, store_id: str, after: str, limit: int, shard: Shard = WHOLE
    ) -> list[Change]:
        """What the next files of a store hold now: as upserts, with the number 0.

        Args:
            store_id: the store.
            after: the id of the file before the first; empty from the start.
            limit: files at most.
            shard: whose passages are read.
        """
        files = (
            select(store_files.c.store_id, store_files.c.file_id)
            .where(store_files.c.store_id == store_id, store_files.c.file_id > after)
            .order_by(store_files.c.file_id)
            .limit(limit)
        )
        with self._read() as connection:
            contents = _contents(connection, files.subquery(), shard)
        return [
            Change(number=0, kind="upsert", store_id=store_id, file_id=file_id, **content)
            for (_, file_id), content in sorted(contents.items())
        ]


def _change(row: AnyRow, contents: dict[StoreFileKey, dict[str, Any]]) -> Change:
    content = contents.get((row.store_id, row.file_id))
    if row.kind == "switch":
        return Change(
            number=row.number, kind="switch", store_id=row.store_id, file_id="", **(content or {})
        )
    return Change(
        number=row.number,
        kind="delete" if content is None else "upsert",
        store_id=row.store_id,
        file_id=row.file_id,
        **(content or {}),
    )


def _named(after: int, last: int) -> Subquery:
    """The store files of these changes."""
    query = select(changes.c.store_id, changes.c.file_id)
    return query.where(changes.c.number > after, changes.c.number <= last).distinct().subquery()


def _switches(
    connection: Connection, logged: Sequence[AnyRow]
) -> dict[StoreFileKey, dict[str, Any]]:
    """The present embedder of the stores that got another by these changes."""
    switched = {row.store_id for row in logged if row.kind == "switch"}
    query = select(vector_stores.c.id, vector_stores.c.fingerprint)
    rows = connection.execute(query.where(vector_stores.c.id.in_(switched))) if switched else ()
    return {(row.id, ""): {"fingerprint": row.fingerprint} for row in rows}


def _contents(
    connection: Connection, named: Subquery, shard: Shard
) -> dict[StoreFileKey, dict[str, Any]]:
    """What these store files hold now; those that are gone are left out."""
    stored = select_store_files().join(
        named,
        (named.c.store_id == store_files.c.store_id) & (named.c.file_id == store_files.c.file_id),
    )
    passages = (
        select(chunks, vectors.c.vector, vectors.c.fingerprint)
        .join(
            named, (named.c.store_id == chunks.c.store_id) & (named.c.file_id == chunks.c.file_id)
        )
        .join(vector_stores, vector_stores.c.id == chunks.c.store_id)
        .join(
            vectors,
            (vectors.c.chunk_id == chunks.c.id)
            & (vectors.c.fingerprint == vector_stores.c.fingerprint),
        )
    )
    if shard.count > 1:
        passages = passages.where(chunks.c.id % shard.count == shard.number)
    rows: dict[StoreFileKey, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(passages).all():
        rows[row.store_id, row.file_id].append(row)
    return {
        (file.store_id, file.file_id): _content(file, rows[file.store_id, file.file_id])
        for file in connection.execute(stored)
    }


def _content(file: AnyRow, rows: list[AnyRow]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "filename": file.filename,
        "attributes": file.attributes,
        "access": file.access,
    }
    if rows:
        rows.sort(key=lambda row: row.ordinal)
        content["fingerprint"] = rows[0].fingerprint
        stored = np.frombuffer(b"".join([row.vector for row in rows]), dtype="<f4")
        content["vectors"] = stored.reshape(len(rows), -1)
        content["passages"] = tuple([passage_of(row, file.filename) for row in rows])
    return content


def passage_of(row: AnyRow, filename: str) -> StoredPassage:
    """The passage of a row of `chunks`."""
    return StoredPassage(
        chunk_id=row.id,
        store_id=row.store_id,
        file_id=row.file_id,
        filename=filename,
        title=row.title,
        text=row.text,
        char_start=row.char_start,
        char_end=row.char_end,
        page=row.page,
    )
