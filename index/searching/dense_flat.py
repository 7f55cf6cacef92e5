"""Vectors in one row after the other: FAISS, exact."""

import faiss
import numpy as np
import numpy.typing as npt

from index.records import Vectors

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class FlatVectors:
    """Vectors by row number; rows come in rising order. Compares with all that may pass."""

    def __init__(self, dim: int) -> None:
        self._index = faiss.IndexIDMap(faiss.IndexFlatIP(dim))

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def num_bytes(self) -> int:
        """The memory of its vectors and their rows."""
        return len(self) * (int(self._index.sa_code_size()) + np.dtype(np.int64).itemsize)

    def add(self, rows: Rows, vectors: Vectors) -> None:
        """Adds vectors, float32, (n_rows, dim)."""
        self._index.add_with_ids(np.ascontiguousarray(vectors), rows)

    def remove(self, rows: Rows) -> None:
        """Removes rows."""
        self._index.remove_ids(faiss.IDSelectorBatch(rows))

    def search(self, vector: Vectors, limit: int, allowed: Mask | None) -> tuple[Rows, Vectors]:
        """The nearest rows and their inner products; `allowed` is a mask by row."""
        parameters = None
        if allowed is not None:
            selector, _bits = select(allowed)
            parameters = faiss.SearchParameters()
            parameters.sel = selector
        scores, rows = self._index.search(vector[np.newaxis], limit, params=parameters)
        return found(rows[0], scores[0])

    def between(self, first: int, end: int) -> tuple[Rows, Vectors]:
        """The rows from `first` up to and without `end`, and their vectors; copies."""
        rows = faiss.vector_to_array(self._index.id_map)
        start, stop = np.searchsorted(rows, [first, end])
        flat = faiss.downcast_index(self._index.index)
        return rows[start:stop], flat.reconstruct_n(int(start), int(stop - start))

    def renumber(self, old_rows: Rows) -> None:
        """Gives each row a new number: its place in `old_rows`, which rises and holds all."""
        rows = faiss.vector_to_array(self._index.id_map)
        faiss.copy_array_to_vector(np.searchsorted(old_rows, rows), self._index.id_map)


def select(allowed: Mask) -> tuple[faiss.IDSelector, npt.NDArray[np.uint8]]:
    """A selector of the rows of a mask, and the bits that it points at: keep both."""
    bits = np.packbits(allowed, bitorder="little")
    return faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits)), bits


def found(rows: Rows, scores: Vectors) -> tuple[Rows, Vectors]:
    """Without the places that FAISS left empty."""
    is_found = rows >= 0
    return rows[is_found], scores[is_found]
