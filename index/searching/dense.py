"""Nearest passages by vector: exact while they are few, approximate when they are many."""

import threading
from collections.abc import Iterator

import faiss
import numpy as np

from index.records import Vectors
from index.searching.dense_flat import FlatVectors, Mask, Rows
from index.searching.dense_inverted import MAX_LISTS, SAMPLE_A_LIST, InvertedVectors

FLAT_UP_TO = 20_000
GROWTH = 4  # an inverted index is built anew when there are so many times more vectors
_QUERIES = 64  # vectors that the number of probed lists is measured with
_COPIED_AT_ONCE = 8192  # vectors; what a search can have to wait for, some 20 ms
_LAST_COPIED = 1024


class DenseIndex:
    """Inner products over the vectors of one store; with unit norms that is the cosine.

    Up to 20,000 vectors a flat index: exact, and it takes at most 3 ms a search. Above that lists
    around centroids with half floats (IVF, `dense_inverted.py`), which at 200,000 vectors of 384
    dimensions take 1.0 ms where the flat index takes 30 ms, at a recall of 0.985, and half the
    memory; all on one core. HNSW answers in 0.3 ms, but takes 56 s to build instead of 9 s, deletes
    nothing, and gets slow or blind under a selective filter. Bytes in place of half floats save
    0.1 ms and half the memory, and lose 0.7 % recall for good.

    The lists are made on a thread of its own, on one core, from a sample; searches and changes go
    on with the index that is there until the new one is put in its place. That happens whenever
    the store has grown fourfold, so all in all each vector is copied less than twice.
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self._vectors: FlatVectors | InvertedVectors = FlatVectors(dim)
        self._end = 0
        self._next_build = FLAT_UP_TO
        self._changing = threading.Lock()
        self._build: threading.Thread | None = None
        self._removed_meanwhile: list[Rows] = []

    def add(self, rows: Rows, vectors: Vectors) -> None:
        """Adds vectors, float32, (n_rows, dim), under rows that are greater than all before."""
        with self._changing:
            self._vectors.add(rows, vectors)
            self._end = int(rows[-1]) + 1
            size = len(self._vectors)
            if size >= self._next_build and self._build is None:
                self._next_build = GROWTH * size
                self._build = threading.Thread(target=self._rebuild, args=(size,), daemon=True)
                self._build.start()

    def remove(self, rows: Rows) -> None:
        """Removes the vectors of these rows."""
        with self._changing:
            self._vectors.remove(rows)
            if self._build is not None:
                self._removed_meanwhile.append(rows)

    @property
    def num_bytes(self) -> int:
        """The memory of the index that is searched; what is made beside it is not counted."""
        return self._vectors.num_bytes

    @property
    def is_building(self) -> bool:
        """Whether lists are being made; rows must keep their numbers until they are."""
        return self._build is not None

    def renumber(self, old_rows: Rows) -> None:
        """Gives each row a new number: its place in `old_rows`, which rises and holds all."""
        with self._changing:
            self._vectors.renumber(old_rows)
            self._end = len(old_rows)

    def search(
        self, vector: Vectors, limit: int, allowed: Mask | None = None
    ) -> tuple[Rows, Vectors]:
        """The nearest vectors.

        Args:
            vector: float32, (dim,), unit L2 norm.
            limit: how many at most.
            allowed: only these take part; a mask by row, None means all.

        Returns:
            Rows and their cosines, best first.
        """
        vectors = self._vectors
        most = len(vectors) if allowed is None else np.count_nonzero(allowed)
        if not most:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        return vectors.search(np.ascontiguousarray(vector), min(limit, int(most)), allowed)

    def wait(self) -> None:
        """Waits until no lists are being made."""
        build = self._build
        if build is not None:
            build.join()

    def _rebuild(self, size: int) -> None:
        faiss.omp_set_num_threads(1)  # of this thread alone; the others are for searches
        try:
            self._make_lists(size)
        finally:
            with self._changing:
                self._removed_meanwhile.clear()
                self._build = None

    def _make_lists(self, size: int) -> None:
        # Made for the middle of its life; 4 * sqrt(n) lists balance the centroids and the vectors
        # that a search looks at (FAISS wiki, "Guidelines to choose an index").
        num_lists = min(int(4 * np.sqrt(2 * size)), MAX_LISTS)
        rng = np.random.default_rng(size)
        sample = self._sample(rng, SAMPLE_A_LIST * num_lists / size)
        if len(sample) < max(num_lists, _QUERIES):
            return  # most were removed since
        made = InvertedVectors(sample, num_lists)
        copied = self._copy(made, 0)
        made.calibrate(rng.choice(sample, _QUERIES, replace=False))
        copied = self._copy(made, copied)
        with self._changing:
            made.add(*self._vectors.between(copied, self._end))
            for rows in self._removed_meanwhile:
                made.remove(rows)
            self._vectors = made

    def _copy(self, made: InvertedVectors, copied: int) -> int:
        """Copies all but the newest; returns up to which row."""
        for rows, vectors, end in self._pieces(copied):
            made.add(rows, vectors)
            copied = end
        return copied

    def _pieces(self, first: int) -> Iterator[tuple[Rows, Vectors, int]]:
        """All vectors from a row on, but the newest; each piece with the row where it ends."""
        while self._end - first > _LAST_COPIED:
            with self._changing:
                end = min(first + _COPIED_AT_ONCE, self._end)
                rows, vectors = self._vectors.between(first, end)
            yield rows, vectors, end
            first = end

    def _sample(self, rng: np.random.Generator, share: float) -> Vectors:
        drawn = [vectors[rng.random(len(rows)) < share] for rows, vectors, _ in self._pieces(0)]
        return np.concatenate(drawn)
