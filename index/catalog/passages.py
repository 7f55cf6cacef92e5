"""The passages of one store file: stored once, and not again while their content is the same."""

from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection, delete, func, insert, select, update

from index.catalog.attributes import is_storable
from index.catalog.database import Database, take_chunk_ids
from index.catalog.lookups import require_store
from index.catalog.schema import chunks, vector_stores, vectors
from index.errors import FingerprintMismatchError, InvalidFileError
from index.records import ChunkDraft, Job, Vectors, content_hash, titled_text

PassageRow = dict[str, object]

_HASHES_A_QUERY = 500


class Passages(Database):
    """The part of the catalog that knows which content was embedded already."""

    def known_vectors(self, fingerprint: str, content_hashes: Sequence[str]) -> dict[str, Vectors]:
        """The vectors of content that this embedder has embedded before, for whatever file.

        Args:
            fingerprint: names the embedder.
            content_hashes: see `content_hash`.

        Returns:
            By content hash, without those unknown: float32, (dim,), unit L2 norm.
        """
        found: dict[str, Vectors] = {}
        with self._read() as connection:
            for start in range(0, len(content_hashes), _HASHES_A_QUERY):
                asked = content_hashes[start : start + _HASHES_A_QUERY]
                found |= _known_vectors(connection, fingerprint, asked)
        return found

    def embedder_of(self, store_id: str) -> str | None:
        """The fingerprint that new vectors of a store must have; None while it holds no passage.

        Raises:
            UnknownStoreError: no such store.
        """
        with self._read() as connection:
            fingerprint: str | None = require_store(connection, store_id, None).fingerprint
            return fingerprint if _holds_passages(connection, store_id) else None


def check_drafts(drafts: Sequence[ChunkDraft]) -> None:
    """Checks that both databases can hold the passages.

    Raises:
        InvalidFileError: one holds a NUL or a lone surrogate.
    """
    for draft in drafts:
        if not is_storable(titled_text(draft)):
            raise InvalidFileError(f"passage {draft.ordinal} holds a NUL or a lone surrogate")


def replace_passages(
    connection: Connection,
    job: Job,
    drafts: Sequence[ChunkDraft],
    embeddings: Vectors,
    fingerprint: str,
) -> bool:
    """Puts these passages in the place of those that the file had, unless they are the same.

    Args:
        connection: a writing transaction.
        job: the store and the file.
        drafts: the passages.
        embeddings: float32, (n_drafts, dim), in their order.
        fingerprint: names the embedder.

    Returns:
        Whether anything changed that a search could find.

    Raises:
        FingerprintMismatchError: the store holds vectors of another embedder.
    """
    rows = passage_rows(job.file_id, drafts)
    if _are_stored(connection, job, rows, fingerprint):
        return False
    of_file = (chunks.c.store_id == job.store_id, chunks.c.file_id == job.file_id)
    connection.execute(delete(chunks).where(*of_file))
    insert_passages(connection, job.store_id, rows, embeddings, fingerprint)
    return True


def passage_rows(file_id: str, drafts: Sequence[ChunkDraft]) -> list[PassageRow]:
    """What the table of chunks holds of them, but for their store and their ids."""
    return [
        {"file_id": file_id, **vars(draft), "content_hash": content_hash(draft)} for draft in drafts
    ]


def insert_passages(
    connection: Connection,
    store_id: str,
    rows: Sequence[PassageRow],
    embeddings: Vectors,
    fingerprint: str,
) -> None:
    """Adds passages of any number of files, which the store must not have yet.

    Args:
        connection: a writing transaction.
        store_id: the store.
        rows: of `passage_rows`.
        embeddings: float32, (n_rows, dim), in their order.
        fingerprint: names the embedder.

    Raises:
        FingerprintMismatchError: the store holds vectors of another embedder.
    """
    if not rows:
        return
    _adopt_embedder(connection, store_id, fingerprint, embeddings.shape[1])
    ids = take_chunk_ids(connection, len(rows))
    passages = [{"id": i, "store_id": store_id, **row} for i, row in zip(ids, rows, strict=True)]
    connection.execute(insert(chunks), passages)
    insert_vectors(connection, ids, embeddings, fingerprint)


def _are_stored(
    connection: Connection, job: Job, rows: Sequence[PassageRow], fingerprint: str
) -> bool:
    query = (
        select(chunks, vectors.c.fingerprint)
        .outerjoin(
            vectors, (vectors.c.chunk_id == chunks.c.id) & (vectors.c.fingerprint == fingerprint)
        )
        .where(chunks.c.store_id == job.store_id, chunks.c.file_id == job.file_id)
        .order_by(chunks.c.ordinal)
    )
    stored = connection.execute(query).mappings().all()
    return len(stored) == len(rows) and all(
        known["fingerprint"] == fingerprint and all(known[name] == row[name] for name in row)
        for known, row in zip(stored, rows, strict=True)
    )


def _adopt_embedder(connection: Connection, store_id: str, fingerprint: str, dim: int) -> None:
    """Makes this the store's embedder if it holds no vectors yet.

    Raises:
        FingerprintMismatchError: it holds vectors of another.
    """
    store = require_store(connection, store_id, None)
    if (store.fingerprint, store.dim) == (fingerprint, dim):
        return
    if _holds_passages(connection, store_id):
        raise FingerprintMismatchError(
            f"vector store {store_id!r} holds vectors of {store.fingerprint!r}, dimension "
            f"{store.dim}; got {fingerprint!r}, dimension {dim}"
        )
    statement = update(vector_stores).where(vector_stores.c.id == store_id)
    connection.execute(statement.values(fingerprint=fingerprint, dim=dim))


def _holds_passages(connection: Connection, store_id: str) -> bool:
    held = select(chunks.c.id).where(chunks.c.store_id == store_id).limit(1)
    return connection.execute(held).first() is not None


def insert_vectors(
    connection: Connection, ids: Sequence[int], embeddings: Vectors, fingerprint: str
) -> None:
    """Adds the vectors of passages; float32, (n_ids, dim), in the order of the ids."""
    stored = np.ascontiguousarray(embeddings, dtype="<f4")
    connection.execute(
        insert(vectors),
        [
            {"chunk_id": chunk_id, "fingerprint": fingerprint, "vector": vector.tobytes()}
            for chunk_id, vector in zip(ids, stored, strict=True)
        ],
    )


def _known_vectors(
    connection: Connection, fingerprint: str, content_hashes: Sequence[str]
) -> dict[str, Vectors]:
    # The same content may lie in thousands of files: one chunk of each is enough.
    one_of_each = (
        select(chunks.c.content_hash, func.min(chunks.c.id).label("chunk_id"))
        .join(vectors, vectors.c.chunk_id == chunks.c.id)
        .where(chunks.c.content_hash.in_(content_hashes), vectors.c.fingerprint == fingerprint)
        .group_by(chunks.c.content_hash)
        .subquery()
    )
    query = (
        select(one_of_each.c.content_hash, vectors.c.vector)
        .join(vectors, vectors.c.chunk_id == one_of_each.c.chunk_id)
        .where(vectors.c.fingerprint == fingerprint)
    )
    return {
        row.content_hash: np.frombuffer(row.vector, dtype="<f4")
        for row in connection.execute(query)
    }
