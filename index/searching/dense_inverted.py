"""Vectors in lists around centroids: FAISS IVF with half floats, approximate, with deletion.

query --> nearest centroids, in order:   (3)        (7)        (1)     ...
|          |          |
r2 r9 r40   r1 r5    r3 r4 r8   ...
probed until `_to_compare` vectors that may take part are seen; these are compared
"""

from collections.abc import Iterator
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from index.records import Vectors
from index.searching.dense_flat import Mask, Rows, found, select
from index.searching.growing import GrowingArray

# Half of what FAISS advises: it takes half the time, and `calibrate` makes up for it.
SAMPLE_A_LIST = 20
MAX_LISTS = 8192  # at 384 dimensions some 90 s of one core to train
TARGET_RECALL = 0.99  # at 10, against a search of all lists
_ITERATIONS = 8
_RECALL_AT = 10
_PROBES = tuple(int(2 ** (step / 2)) for step in range(4, 27))
_CODES_A_HIT = 20  # vectors to compare with for each one that is asked for, at least


class InvertedVectors:
    """Vectors by row number, each in the list of its nearest centroid, as half floats.

    A search compares with the vectors of the lists nearest to it. How many is measured when the
    index is built (`calibrate`), in vectors and not in lists, so that it also holds when most were
    removed, and with a filter: the search takes lists until they hold as many vectors that pass. A
    selective filter takes it through all lists, and makes it exact.
    """

    def __init__(self, sample: Vectors, num_lists: int) -> None:
        dim = sample.shape[1]
        self._quantizer = faiss.IndexFlatIP(dim)
        self._index: Any = faiss.IndexIVFScalarQuantizer(
            self._quantizer,
            dim,
            num_lists,
            faiss.ScalarQuantizer.QT_fp16,
            faiss.METRIC_INNER_PRODUCT,
            False,
        )
        self._index.cp.niter = _ITERATIONS
        self._index.cp.min_points_per_centroid = 1
        self._index.train(sample)
        self._num_lists = num_lists
        self._num_probes = num_lists
        self._num_compared = 0
        self._list_of = GrowingArray(np.int32)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def num_bytes(self) -> int:
        """The memory of its vectors and their rows, of the centroids, and of each row's list."""
        a_vector = int(self._index.code_size) + np.dtype(np.int64).itemsize
        centroids = int(self._quantizer.ntotal) * int(self._quantizer.code_size)
        return len(self) * a_vector + centroids + self._list_of.num_bytes

    def add(self, rows: Rows, vectors: Vectors) -> None:
        """Adds vectors, float32, (n_rows, dim), under rows that are greater than all before."""
        if not len(rows):
            return
        vectors = np.ascontiguousarray(vectors)
        lists = self._quantizer.assign(vectors, 1)[:, 0]
        self._index.add_core(
            len(rows), faiss.swig_ptr(vectors), faiss.swig_ptr(rows), faiss.swig_ptr(lists)
        )
        self._list_of.lengthen(int(rows[-1]) + 1)
        self._list_of.items[rows] = lists

    def remove(self, rows: Rows) -> None:
        """Removes rows."""
        self._index.remove_ids(faiss.IDSelectorBatch(rows))

    def search(self, vector: Vectors, limit: int, allowed: Mask | None) -> tuple[Rows, Vectors]:
        """The nearest rows and their inner products; `allowed` is a mask by row."""
        if allowed is not None:
            return self._search_allowed(vector, limit, allowed)
        a_list = len(self) / self._num_lists
        probes = min(int(np.ceil(self._to_compare(limit) / a_list)), self._num_lists)
        rows, scores = self._probe(vector, limit, max(probes, self._num_probes))
        # The lists were emptier than the average; a search owes `limit` hits if there are as many.
        if len(rows) < limit and probes < self._num_lists:
            return self._probe(vector, limit, self._num_lists)
        return rows, scores

    def calibrate(self, queries: Vectors) -> None:
        """Measures how many lists a search needs, on vectors that the index holds.

        Args:
            queries: float32, (n_queries, dim); each finds itself first, which does not count.
        """
        exact = [set(self._probe(q, _RECALL_AT + 1, self._num_lists)[0][1:]) for q in queries]
        for probes in _PROBES:
            if probes >= self._num_lists:
                break
            near = [set(self._probe(q, _RECALL_AT + 1, probes)[0][1:]) for q in queries]
            num_found = sum(len(one & other) for one, other in zip(near, exact, strict=True))
            if num_found >= TARGET_RECALL * sum(map(len, exact)):
                self._num_probes = probes
                break
        self._num_compared = self._num_probes * len(self) // self._num_lists

    def between(self, first: int, end: int) -> tuple[Rows, Vectors]:
        """The rows from `first` up to and without `end`, and their vectors; copies."""
        parts = list(self._pieces(first, end))
        if not parts:
            return np.empty(0, np.int64), np.empty((0, self._index.d), np.float32)
        rows = np.concatenate([rows for rows, _ in parts])
        codes = np.concatenate([codes for _, codes in parts])
        order = np.argsort(rows)
        return rows[order], codes.view(np.float16)[order].astype(np.float32)

    def renumber(self, old_rows: Rows) -> None:
        """Gives each row a new number: its place in `old_rows`, which rises and holds all."""
        for number in range(self._num_lists):
            rows = self._rows_of(number)
            rows[:] = np.searchsorted(old_rows, rows)
        self._list_of.replace(self._list_of.items[old_rows])

    def _search_allowed(self, vector: Vectors, limit: int, allowed: Mask) -> tuple[Rows, Vectors]:
        lists = self._list_of.items[np.flatnonzero(allowed)]
        num_allowed = np.bincount(lists, minlength=self._num_lists)
        centroids = faiss.rev_swig_ptr(
            self._quantizer.get_xb(), self._quantizer.ntotal * len(vector)
        )
        nearness = centroids.reshape(-1, len(vector)) @ vector
        order = np.argsort(-nearness)
        order = order[num_allowed[order] > 0]
        needed = np.searchsorted(np.cumsum(num_allowed[order]), self._to_compare(limit)) + 1
        probed = order[:needed]
        return self._probe_these(vector, limit, probed, nearness[probed], allowed)

    def _to_compare(self, limit: int) -> float:
        """How many vectors a search for this many compares with, at least."""
        now = self._num_probes * len(self) / self._num_lists
        return max(now, self._num_compared, _CODES_A_HIT * limit)

    def _probe(self, vector: Vectors, limit: int, num_probes: int) -> tuple[Rows, Vectors]:
        parameters: Any = faiss.SearchParametersIVF()
        parameters.nprobe = num_probes
        scores, rows = self._index.search(vector[np.newaxis], limit, params=parameters)
        return found(rows[0], scores[0])

    def _probe_these(
        self,
        vector: Vectors,
        limit: int,
        lists: Rows,
        nearness: Vectors,
        allowed: Mask,
    ) -> tuple[Rows, Vectors]:
        selector, _bits = select(allowed)  # FAISS only points to the bits: they must live on
        parameters: Any = faiss.SearchParametersIVF()
        parameters.sel, parameters.nprobe = selector, len(lists)
        scores, rows = np.empty(limit, np.float32), np.empty(limit, np.int64)
        self._index.search_preassigned_c(
            1,
            faiss.swig_ptr(vector),
            limit,
            faiss.swig_ptr(lists),
            faiss.swig_ptr(nearness),
            faiss.swig_ptr(scores),
            faiss.swig_ptr(rows),
            False,
            parameters,
        )
        return found(rows, scores)

    def _pieces(self, first: int, end: int) -> Iterator[tuple[Rows, npt.NDArray[np.uint8]]]:
        """Rows of a range, list by list, with their codes."""
        for number in np.unique(self._list_of.items[first:end]).tolist():
            rows = self._rows_of(number)
            at = np.flatnonzero((rows >= first) & (rows < end))
            if len(at):
                size = self._index.code_size
                codes = faiss.rev_swig_ptr(self._index.invlists.get_codes(number), len(rows) * size)
                yield rows[at], codes.reshape(len(rows), size)[at]

    def _rows_of(self, number: int) -> Rows:
        """The rows of a list; a view."""
        invlists = self._index.invlists
        size = invlists.list_size(number)
        if not size:
            return np.empty(0, np.int64)
        rows: Rows = faiss.rev_swig_ptr(invlists.get_ids(number), size)
        return rows
