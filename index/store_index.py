"""What one vector store holds, in both indexes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from index.dense import DenseIndex
from index.errors import FingerprintMismatchError
from index.filters import Filter, matches
from index.lexical import LexicalIndex
from index.records import Attributes, Change, Passage, Vectors

if TYPE_CHECKING:
    from index.search import SearchRequest


@dataclass(frozen=True)
class _IndexedFile:
    key: int  # names the file inside the lexical index
    attributes: Attributes
    chunk_ids: tuple[int, ...]


class StoreIndex:
    """What one vector store holds, ready to be searched. Not thread-safe: Fold has the lock."""

    def __init__(self) -> None:
        self._reset("", 0)

    def apply(self, changes: Sequence[Change]) -> None:
        """Folds changes of this store, in the order of the log; one applied twice counts once."""
        removed: list[int] = []
        added: list[tuple[int, Passage]] = []
        # Each change holds a whole file, so only the last of a file matters.
        for change in {change.file_id: change for change in changes}.values():
            known = self._files.get(change.file_id)
            if change.passages and change.fingerprint != self.fingerprint:
                # Another embedder: all vectors that the store had before are stale.
                self._reset(change.fingerprint, change.vectors.shape[1])
                removed, added, known = [], [], None
            ids = tuple(passage.chunk_id for passage in change.passages)
            key = known.key if known else self._take_key()
            if known and known.chunk_ids != ids:
                removed.append(key)
                self._forget(known)
            if ids and (known is None or known.chunk_ids != ids):
                added.extend((key, passage) for passage in change.passages)
                self._dense.add(ids, change.vectors)
            self._remember(change, key, ids)
        if removed or added:
            self._lexical.update(removed, added)

    def search_dense(self, request: "SearchRequest", limit: int) -> dict[int, float]:
        """The cosine of the nearest passages, by chunk id, best first.

        Raises:
            FingerprintMismatchError: the request's vector is of another embedder.
        """
        if request.vector is None or not self.passages:
            return {}
        asked = (request.fingerprint or self.fingerprint, len(request.vector))
        if asked != (self.fingerprint, self._dense.dim):
            raise FingerprintMismatchError(
                f"the store's vectors are of {self.fingerprint!r}, dimension {self._dense.dim}; "
                f"the search is of {asked[0]!r}, dimension {asked[1]}"
            )
        allowed = None
        if request.filters is not None:
            files = self._allowed(request.filters)
            allowed = [chunk_id for file in files for chunk_id in file.chunk_ids]
        return self._dense.search(request.vector, limit, allowed)

    def search_lexical(self, request: "SearchRequest", limit: int) -> dict[int, float]:
        """The BM25 score of passages that share words with the text, by chunk id, best first."""
        allowed = None
        if request.filters is not None:
            allowed = [file.key for file in self._allowed(request.filters)]
        return self._lexical.search(request.text, limit, allowed)

    def attributes_of(self, file_id: str) -> Attributes:
        """The attributes of a file that the index holds."""
        return self._files[file_id].attributes

    def vectors_of(self, chunk_ids: Sequence[int]) -> Vectors:
        """The vectors of passages that the index holds, float32, (n_ids, dim)."""
        return self._dense.vectors_of(chunk_ids)

    def context_of(self, chunk_id: int, neighbours: int) -> str:
        """A passage with those before and after it; what they share stands there once."""
        ids = self._files[self.passages[chunk_id].file_id].chunk_ids
        at = ids.index(chunk_id)
        text, end = "", 0
        for one in ids[max(at - neighbours, 0) : at + neighbours + 1]:
            passage = self.passages[one]
            shared = max(end - passage.char_start, 0) if text else 0
            gap = "\n" if text and not shared else ""
            text += gap + passage.text[shared:]
            end = passage.char_end
        return text

    def _allowed(self, filters: Filter) -> list[_IndexedFile]:
        return [file for file in self._files.values() if matches(filters, file.attributes)]

    def _reset(self, fingerprint: str, dim: int) -> None:
        self.fingerprint = fingerprint
        self.passages: dict[int, Passage] = {}
        self._files: dict[str, _IndexedFile] = {}
        self._num_keys = 0
        self._dense = DenseIndex(dim)
        self._lexical = LexicalIndex()

    def _take_key(self) -> int:
        self._num_keys += 1
        return self._num_keys

    def _forget(self, file: _IndexedFile) -> None:
        self._dense.remove(file.chunk_ids)
        for chunk_id in file.chunk_ids:
            del self.passages[chunk_id]

    def _remember(self, change: Change, key: int, ids: tuple[int, ...]) -> None:
        self._files.pop(change.file_id, None)
        if ids:
            self._files[change.file_id] = _IndexedFile(key, change.attributes, ids)
            self.passages.update(zip(ids, change.passages, strict=True))
