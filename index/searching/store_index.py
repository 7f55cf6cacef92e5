"""What one vector store holds, in both indexes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from index.errors import FingerprintMismatchError
from index.records import Change, StoredPassage, Vectors
from index.searching.dense import DenseIndex
from index.searching.file_table import Allowed, FileTable, Ids, Rows
from index.searching.lexical import LexicalIndex
from index.searching.request import SearchRequest


@dataclass
class _Update:
    """What changes in the indexes: of dense search by row, of lexical search by file key."""

    removed_rows: list[Rows] = field(default_factory=list)
    removed_files: list[int] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)
    passages: list[tuple[int, StoredPassage]] = field(default_factory=list)


class StoreIndex:
    """What one vector store holds, ready to be searched. Not thread-safe: Fold has the lock.

    It holds no texts: a search gives chunk ids, and the catalog has the passages.
    """

    def __init__(self) -> None:
        self._reset("", 0)

    @property
    def chunk_ids(self) -> Ids:
        """The ids of all passages."""
        return self._files.chunk_ids

    @property
    def num_passages(self) -> int:
        """How many passages the store holds."""
        return self._files.num_passages

    @property
    def num_bytes(self) -> int:
        """The memory that it takes, about."""
        return self._files.num_bytes + self._dense.num_bytes + self._lexical.num_bytes

    @property
    def is_building(self) -> bool:
        """Whether an index is being made in the background; searches use the one before."""
        return self._dense.is_building

    def apply(self, changes: Sequence[Change]) -> None:
        """Folds changes of this store, in the order of the log; one applied twice counts once.

        Searches by words see them after `publish`.
        """
        update = _Update()
        # Each change holds a whole file, so only the last of a file matters.
        for change in {change.file_id: change for change in changes}.values():
            if change.passages and change.fingerprint != self.fingerprint:
                # Another embedder: all vectors that the store had before are stale.
                self._reset(change.fingerprint, change.vectors.shape[1])
                update = _Update()
            self._note(change, update)
        if update.removed_rows:
            self._dense.remove(np.concatenate(update.removed_rows))
        if update.passages:
            first = self._files.num_rows - len(update.passages)
            rows = np.arange(first, self._files.num_rows)
            self._dense.add(rows, np.concatenate(update.vectors))
        if update.removed_files or update.passages:
            self._lexical.update(update.removed_files, update.passages)
        if self._files.is_sparse and not self._dense.is_building:
            self._dense.renumber(self._files.compact())

    def publish(self) -> None:
        """Lets searches see all that was applied."""
        self._lexical.publish()

    def search_dense(self, request: SearchRequest, limit: int) -> dict[int, float]:
        """The cosine of the nearest passages, by chunk id, best first, the smaller id where equal.

        Raises:
            FingerprintMismatchError: the request's vector is of another embedder.
        """
        if request.vector is None or not self.num_passages:
            return {}
        vector = request.vector_of(self.fingerprint)
        if vector is None or len(vector) != self._dense.dim:
            asked = request.vector if vector is None else vector
            raise FingerprintMismatchError(
                f"the store's vectors are of {self.fingerprint!r}, dimension {self._dense.dim}; "
                f"the search is of {request.fingerprint!r}, dimension {len(asked)}"
            )
        allowed = self._allowed(request)
        rows, cosines = self._dense.search(vector, limit, None if allowed is None else allowed.rows)
        ids = self._files.ids_of(rows)
        order = np.lexsort((ids, -cosines))
        return dict(zip(ids[order].tolist(), cosines[order].tolist(), strict=True))

    def search_lexical(self, request: SearchRequest, limit: int) -> dict[int, float]:
        """The BM25 score of passages that share words with the text, by chunk id, best first."""
        allowed = self._allowed(request)
        return self._lexical.search(request.text, limit, None if allowed is None else allowed.files)

    def search_named(self, request: SearchRequest, limit: int) -> dict[int, float]:
        """Scores passages that hold an identifier of the text, by chunk id, best first."""
        allowed = self._allowed(request)
        return self._lexical.search_named(
            request.text, limit, None if allowed is None else allowed.files
        )

    def _allowed(self, request: SearchRequest) -> Allowed | None:
        """What takes part in a search; None: everything."""
        return self._files.allowed(request.filters, request.viewer.principals)

    def wait(self) -> None:
        """Waits for what is built in the background."""
        self._dense.wait()

    def _note(self, change: Change, update: _Update) -> None:
        """Takes a change into the table of files, and notes what it means for the indexes."""
        key = self._files.key_of(change.file_id)
        ids = [passage.chunk_id for passage in change.passages]
        if key is not None and not np.array_equal(self._files.chunk_ids_of(key), ids):
            update.removed_rows.append(self._files.rows_of(key))
            update.removed_files.append(key)
            self._files.remove(change.file_id)
            key = None
        if not ids:
            return
        if key is None:
            key = self._files.add(change.file_id, ids)
            update.vectors.append(change.vectors)
            update.passages += [(key, passage) for passage in change.passages]
        self._files.describe(key, change.attributes, change.access)

    def _reset(self, fingerprint: str, dim: int) -> None:
        self.fingerprint = fingerprint
        self._files = FileTable()
        self._dense = DenseIndex(dim)
        self._lexical = LexicalIndex()
