"""Documents that arrive in bulk: already cut and embedded, many in one transaction, without jobs.

A document is known by its name, which is unique among those loaded into a store: it stands, as a
hash, in the file's id. What the store holds with the same name, bytes and attributes is left as it
is, whoever put it there; so a load that was killed is simply done again. Another version of a
loaded document takes the place of the one before, in the transaction that brings it. The file
belongs to the tenant of its store, and is seen by whom the store's access list names then.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from sqlalchemy import Connection, and_, delete, insert, or_, select, update

from index.catalog.attributes import check_attributes, check_storable
from index.catalog.database import Database, log_changes
from index.catalog.files import MAX_FILENAME_CHARS
from index.catalog.lookups import AnyRow, require_live_store
from index.catalog.passages import insert_passages, passage_rows
from index.catalog.schema import files, store_files, vector_stores
from index.errors import InvalidFileError
from index.records import Attributes, ChunkDraft, Vectors

_NAMES_A_QUERY = 50  # each is a range of the index


@dataclass(frozen=True, kw_only=True)
class BulkDocument:
    """A document as it was found.

    Attributes:
        filename: its name, unique among the documents loaded into the store.
        data: its bytes, at least one.
        attributes: None leaves open which it has.
    """

    filename: str
    data: bytes
    attributes: Attributes | None = None

    @cached_property
    def sha256(self) -> str:
        """Hash of the bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, kw_only=True)
class CutDocument:
    """A document with its passages, at least one."""

    document: BulkDocument
    drafts: tuple[ChunkDraft, ...]


class BulkLoad(Database):
    """The part of the catalog that takes documents in bulk."""

    def find_loaded(self, store_id: str, documents: Sequence[BulkDocument]) -> list[bool]:
        """Whether the store holds each document already: same name, bytes and attributes."""
        with self._read() as connection:
            return _are_loaded(connection, store_id, documents)

    def load_documents(
        self,
        store_id: str,
        documents: Sequence[CutDocument],
        embeddings: Vectors,
        fingerprint: str,
    ) -> list[bool]:
        """Stores the documents that the store does not hold; all of them or, on an error, none.

        Args:
            store_id: the store.
            documents: checked ones; of two with the same name the last is taken.
            embeddings: float32, (n_passages, dim), unit L2 norm, of all passages in their order.
            fingerprint: names the embedder.

        Returns:
            For each document whether it was stored.

        Raises:
            UnknownStoreError: no such store, or it has expired.
            FingerprintMismatchError: the store holds vectors of another embedder.
        """
        last = {one.document.filename: number for number, one in enumerate(documents)}
        now = self._now()
        with self._write() as connection:
            store = require_live_store(connection, store_id, now, self._viewer)
            are_loaded = _are_loaded(connection, store_id, [one.document for one in documents])
            are_fresh = [
                not is_loaded and last[one.document.filename] == number
                for number, (one, is_loaded) in enumerate(zip(documents, are_loaded, strict=True))
            ]
            if any(are_fresh):
                fresh = [one for one, is_one in zip(documents, are_fresh, strict=True) if is_one]
                rows_of = np.repeat(are_fresh, [len(one.drafts) for one in documents])
                old = _delete_versions(connection, store_id, fresh)
                log_changes(connection, "delete", [(store_id, file_id) for file_id in old])
                new = _insert(connection, store, fresh, embeddings[rows_of], fingerprint, now=now)
                log_changes(connection, "upsert", [(store_id, file_id) for file_id in new])
        return are_fresh


def check_document(document: BulkDocument) -> None:
    """Checks what a caller chose of a document.

    Raises:
        InvalidFileError: no bytes, or a name of a bad length.
        InvalidAttributesError: a name or attributes that cannot be stored.
    """
    check_storable(document.filename)
    check_attributes(document.attributes or {})
    if not document.data:
        raise InvalidFileError(f"{document.filename!r} is empty")
    if not 1 <= len(document.filename) <= MAX_FILENAME_CHARS:
        raise InvalidFileError(
            f"a filename must have 1..{MAX_FILENAME_CHARS} characters, got {len(document.filename)}"
        )


def _are_loaded(
    connection: Connection, store_id: str, documents: Sequence[BulkDocument]
) -> list[bool]:
    query = (
        select(files.c.filename, files.c.sha256, store_files.c.attributes)
        .join(store_files, store_files.c.file_id == files.c.id)
        .where(
            files.c.sha256.in_([one.sha256 for one in documents]),
            store_files.c.store_id == store_id,
            store_files.c.status == "completed",
        )
    )
    held: dict[tuple[str, str], list[Attributes]] = {}
    for row in connection.execute(query):
        held.setdefault((row.filename, row.sha256), []).append(row.attributes)
    alike = [held.get((one.filename, one.sha256), []) for one in documents]
    return [
        bool(found) and (one.attributes is None or one.attributes in found)
        for one, found in zip(documents, alike, strict=True)
    ]


def _id_prefix(filename: str) -> str:
    return f"file-{hashlib.sha256(filename.encode()).hexdigest()[:24]}"


def _delete_versions(
    connection: Connection, store_id: str, documents: Sequence[CutDocument]
) -> list[str]:
    """Takes all versions of the documents out of the store; gives the ids of their files."""
    found = list(_versions(connection, store_id, [one.document.filename for one in documents]))
    if found:
        in_store = and_(store_files.c.store_id == store_id, store_files.c.file_id.in_(found))
        connection.execute(delete(store_files).where(in_store))
        elsewhere = select(store_files.c.file_id).where(store_files.c.file_id.in_(found))
        unused = and_(files.c.id.in_(found), files.c.id.not_in(elsewhere))
        connection.execute(delete(files).where(unused))
    return found


def _versions(connection: Connection, store_id: str, filenames: Sequence[str]) -> Iterator[str]:
    """The ids of what was loaded into the store under these names."""
    prefixes = sorted({_id_prefix(name) for name in filenames})
    for start in range(0, len(prefixes), _NAMES_A_QUERY):
        # "g" follows all hexadecimal digits.
        ranges = [
            and_(store_files.c.file_id >= prefix, store_files.c.file_id < f"{prefix}g")
            for prefix in prefixes[start : start + _NAMES_A_QUERY]
        ]
        query = select(store_files.c.file_id).where(
            store_files.c.store_id == store_id, or_(*ranges)
        )
        yield from connection.execute(query).scalars()


def _insert(
    connection: Connection,
    store: AnyRow,
    documents: Sequence[CutDocument],
    embeddings: Vectors,
    fingerprint: str,
    *,
    now: int,
) -> list[str]:
    """Inserts the documents with all that belongs to them; gives the ids of their files."""
    store_id: str = store.id
    ids = [f"{_id_prefix(one.document.filename)}{uuid.uuid4().hex[:24]}" for one in documents]
    file_rows = [
        _file_row(i, one.document, store, now) for i, one in zip(ids, documents, strict=True)
    ]
    connection.execute(insert(files), file_rows)
    vector_bytes = embeddings.itemsize * embeddings.shape[1]
    store_file_rows = [
        _store_file_row(store_id, i, one, vector_bytes, now)
        for i, one in zip(ids, documents, strict=True)
    ]
    connection.execute(insert(store_files), store_file_rows)
    rows = [
        row for i, one in zip(ids, documents, strict=True) for row in passage_rows(i, one.drafts)
    ]
    insert_passages(connection, store_id, rows, embeddings, fingerprint)
    touched = update(vector_stores).where(vector_stores.c.id == store_id)
    connection.execute(touched.values(last_active_at=now))
    return ids


def _file_row(file_id: str, document: BulkDocument, store: AnyRow, now: int) -> dict[str, Any]:
    return {
        "id": file_id,
        "filename": document.filename,
        "purpose": "assistants",
        "status": "processed",
        "num_bytes": len(document.data),
        "sha256": document.sha256,
        "created_at": now,
        "expires_at": None,
        "content": document.data,
        "tenant": store.tenant,
        "access": store.access,
    }


def _store_file_row(
    store_id: str, file_id: str, cut: CutDocument, vector_bytes: int, now: int
) -> dict[str, Any]:
    text_bytes = sum(len(draft.text.encode()) for draft in cut.drafts)
    return {
        "store_id": store_id,
        "file_id": file_id,
        "status": "completed",
        "attributes": cut.document.attributes or {},
        "num_passages": len(cut.drafts),
        "usage_bytes": text_bytes + vector_bytes * len(cut.drafts),
        "created_at": now,
    }
