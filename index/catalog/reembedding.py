"""Moving a store to another embedder: vectors are filled in beside, then the store is switched."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    exists,
    func,
    select,
    update,
)

from index.catalog.database import Database, log_changes
from index.catalog.lookups import require_live_store, require_store
from index.catalog.passages import insert_vectors
from index.catalog.schema import chunks, vector_stores, vectors
from index.records import Vectors

_IDS_A_QUERY = 5000  # SQLite takes 32766 parameters, PostgreSQL 65535


class Reembedding(Database):
    """The part of the catalog that lets a store have vectors of several embedders."""

    def chunk_ids(self, store_id: str, *, without: str | None = None) -> list[int]:
        """The ids of all passages of a store, ascending.

        Args:
            store_id: the store.
            without: only those that have no vector of this fingerprint.
        """
        query = select(chunks.c.id).where(chunks.c.store_id == store_id)
        if without is not None:
            query = query.where(_lacks(without))
        with self._read() as connection:
            return sorted(connection.execute(query).scalars())

    def count_vectors(self, store_id: str) -> dict[str, int]:
        """How many passages of a store have a vector of each fingerprint."""
        query = (
            select(vectors.c.fingerprint, func.count().label("num_vectors"))
            .join(chunks, chunks.c.id == vectors.c.chunk_id)
            .where(chunks.c.store_id == store_id)
            .group_by(vectors.c.fingerprint)
        )
        with self._read() as connection:
            return {row.fingerprint: row.num_vectors for row in connection.execute(query)}

    def read_vectors(self, fingerprint: str, chunk_ids: Sequence[int]) -> dict[int, Vectors]:
        """The vectors of passages, by their ids, without those that have none."""
        found: dict[int, Vectors] = {}
        query = select(vectors.c.chunk_id, vectors.c.vector)
        with self._read() as connection:
            for start in range(0, len(chunk_ids), _IDS_A_QUERY):
                asked = vectors.c.chunk_id.in_(chunk_ids[start : start + _IDS_A_QUERY])
                rows = connection.execute(query.where(asked, vectors.c.fingerprint == fingerprint))
                found |= {row.chunk_id: np.frombuffer(row.vector, "<f4") for row in rows}
        return found

    def add_vectors(self, fingerprint: str, chunk_ids: Sequence[int], added: Vectors) -> int:
        """Adds vectors beside those that are there, which nobody searches until the switch.

        Args:
            fingerprint: names the embedder.
            chunk_ids: the passages; those that are gone, or have such a vector, are left out.
            added: float32, (n_chunk_ids, dim), unit L2 norm, in their order.

        Returns:
            How many were added.
        """
        with self._write() as connection:
            wanted = set(_lacking(connection, fingerprint, chunk_ids))
            rows = [row for row, chunk_id in enumerate(chunk_ids) if chunk_id in wanted]
            if rows:
                ids = [chunk_ids[row] for row in rows]
                insert_vectors(connection, ids, added[rows], fingerprint)
        return len(rows)

    def switch_embedder(self, store_id: str, fingerprint: str) -> bool:
        """Lets a store be searched by its vectors of this embedder, if no passage lacks one.

        Returns:
            Whether it was switched, or was before; False: fill in what is missing, and try again.

        Raises:
            UnknownStoreError: no such store, or it has expired.
        """
        with self._write() as connection:
            store = require_live_store(connection, store_id, self._now(), None)
            if store.fingerprint == fingerprint:
                return True
            lacking = _of_store(store_id).where(_lacks(fingerprint)).limit(1)
            first = connection.execute(
                select(func.length(vectors.c.vector))
                .join(chunks, chunks.c.id == vectors.c.chunk_id)
                .where(chunks.c.store_id == store_id, vectors.c.fingerprint == fingerprint)
                .limit(1)
            ).scalar()
            if first is None or connection.execute(lacking).first() is not None:
                return False
            connection.execute(
                update(vector_stores)
                .where(vector_stores.c.id == store_id)
                .values(fingerprint=fingerprint, dim=first // 4)
            )
            log_changes(connection, "switch", [(store_id, "")])
        return True

    def drop_vectors(self, store_id: str, chunk_ids: Sequence[int]) -> int:
        """Deletes the vectors of passages that are not of the store's present embedder.

        Returns:
            How many were deleted.
        """
        with self._write() as connection:
            present = require_store(connection, store_id, None).fingerprint
            return connection.execute(
                delete(vectors).where(
                    vectors.c.chunk_id.in_(chunk_ids), vectors.c.fingerprint != present
                )
            ).rowcount


def _of_store(store_id: str) -> Select[tuple[int]]:
    return select(chunks.c.id).where(chunks.c.store_id == store_id)


def _lacks(fingerprint: str) -> ColumnElement[bool]:
    """A chunk has no vector of this embedder."""
    return ~exists().where(
        and_(vectors.c.chunk_id == chunks.c.id, vectors.c.fingerprint == fingerprint)
    )


def _lacking(connection: Connection, fingerprint: str, chunk_ids: Sequence[int]) -> list[int]:
    query = select(chunks.c.id).where(chunks.c.id.in_(chunk_ids), _lacks(fingerprint))
    return list(connection.execute(query).scalars())
