"""The passages that a search found, as they are stored now."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Integer, Select, and_, bindparam, select

from index.catalog.changes import passage_of
from index.catalog.database import Database
from index.catalog.lookups import AnyRow
from index.catalog.schema import chunks, files, store_files, vector_stores, vectors
from index.records import FoundPassage, StoredPassage

_IDS_A_QUERY = 5000  # SQLite takes 32766 parameters, PostgreSQL 65535

# Built once: to build a statement takes longer than to run it.
_PASSAGES = (
    select(chunks, store_files.c.attributes, files.c.filename, files.c.access)
    .join(
        store_files,
        and_(
            store_files.c.store_id == chunks.c.store_id, store_files.c.file_id == chunks.c.file_id
        ),
    )
    .join(files, files.c.id == chunks.c.file_id)
    .where(chunks.c.id.in_(bindparam("ids", expanding=True)))
)
_PASSAGES_WITH_VECTORS = (
    _PASSAGES.join(vector_stores, vector_stores.c.id == chunks.c.store_id)
    .join(
        vectors,
        and_(
            vectors.c.chunk_id == chunks.c.id,
            vectors.c.fingerprint == vector_stores.c.fingerprint,
        ),
    )
    .add_columns(vectors.c.vector)
)
_near = chunks.alias()
_reach = bindparam("neighbours", type_=Integer)
_NEIGHBOURS: Select[Any] = (
    select(chunks.c.id.label("found_id"), _near)
    .join(
        _near,
        and_(
            _near.c.store_id == chunks.c.store_id,
            _near.c.file_id == chunks.c.file_id,
            _near.c.ordinal.between(chunks.c.ordinal - _reach, chunks.c.ordinal + _reach),
        ),
    )
    .where(chunks.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(chunks.c.id, _near.c.ordinal)
)


class PassageReads(Database):
    """The part of the catalog that gives a search replica the texts of its hits."""

    def read_passages(
        self, chunk_ids: Sequence[int], *, neighbours: int = 0, with_vectors: bool = False
    ) -> dict[int, FoundPassage]:
        """Passages with what belongs to them, all of one state of the corpus.

        Args:
            chunk_ids: what is read.
            neighbours: passages before and after each, of the same file, that `around` holds.
            with_vectors: whether the vectors are read too.

        Returns:
            By chunk id, without those that are gone.
        """
        found: dict[int, FoundPassage] = {}
        statement = _PASSAGES_WITH_VECTORS if with_vectors else _PASSAGES
        with self._read() as connection:
            for start in range(0, len(chunk_ids), _IDS_A_QUERY):
                asked = chunk_ids[start : start + _IDS_A_QUERY]
                around = _around(connection, asked, neighbours) if neighbours else {}
                for row in connection.execute(statement, {"ids": asked}).all():
                    vector = np.frombuffer(row.vector, "<f4") if with_vectors else None
                    found[row.id] = FoundPassage(
                        passage=passage_of(row, row.filename),
                        attributes=row.attributes,
                        access=row.access,
                        around=_passages(around.get(row.id, ()), row.filename),
                        context=_joined(around.get(row.id, ())),
                        vector=vector,
                    )
        return found


def _around(
    connection: Connection, chunk_ids: Sequence[int], neighbours: int
) -> dict[int, list[AnyRow]]:
    """Each passage with those before and after it."""
    around: dict[int, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(_NEIGHBOURS, {"ids": chunk_ids, "neighbours": neighbours}):
        around[row.found_id].append(row)
    return around


def _passages(rows: Sequence[AnyRow], filename: str) -> tuple[StoredPassage, ...]:
    return tuple(passage_of(row, filename) for row in rows)


def _joined(rows: Sequence[AnyRow]) -> str:
    """The texts of neighbouring passages; what they share stands there once."""
    text, end = "", 0
    for row in rows:
        shared = max(end - row.char_start, 0) if text else 0
        gap = "\n" if text and not shared else ""
        text += gap + row.text[shared:]
        end = row.char_end
    return text
