import numpy as np
import pytest

from index.searching.comparison import DEPTH, EmbedderComparison, nearest


class Reader:
    """Vectors by chunk id, in no order."""

    def __init__(self, vectors):
        self._vectors = vectors

    def read_vectors(self, fingerprint, chunk_ids):
        return {i: self._vectors[i] for i in reversed(chunk_ids) if i in self._vectors}


def test_the_nearest_are_those_of_one_product(vectors_of, monkeypatch):
    monkeypatch.setattr("index.searching.comparison._VECTORS_AT_ONCE", 7)
    stored, queries = vectors_of(50, seed=1), vectors_of(4, seed=2)
    stored[30] = stored[10]  # of two that are equal the smaller id comes first
    reader = Reader(dict(zip(range(100, 150), stored, strict=True)))
    expected = 100 + np.argsort(-(queries @ stored.T), axis=1, kind="stable")[:, :DEPTH]
    assert nearest(reader, "a@1", range(90, 160), queries).tolist() == expected.tolist()


def test_places_without_a_passage_are_left_empty(vectors_of):
    (stored,), queries = vectors_of(1), vectors_of(2, seed=2)
    found = nearest(Reader({7: stored}), "a@1", [7, 8], queries)
    assert found.tolist() == [[7] + [-1] * 9] * 2
    comparison = EmbedderComparison(old=found, new=found)
    assert comparison.overlaps.tolist() == [1, 1]
    nothing = EmbedderComparison(old=np.full((1, 10), -1), new=np.full((1, 10), -1))
    assert nothing.overlaps.tolist() == [0]


def test_overlap_and_first_hits_are_counted():
    old = np.arange(10)[None].repeat(3, axis=0)
    new = np.stack([old[0][::-1], old[0] + 5, old[0] + 10])
    comparison = EmbedderComparison(old=old, new=new)
    assert comparison.overlaps == pytest.approx([1, 0.5, 0])
    assert comparison.same_first.tolist() == [False, False, False]
    assert EmbedderComparison(old=old, new=old).same_first.all()
