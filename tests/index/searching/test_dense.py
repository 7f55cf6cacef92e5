"""The inverted index finds what exact search finds, whatever was added, removed or filtered."""

import threading

import numpy as np
import pytest

from index.searching import dense
from index.searching.dense import DenseIndex
from index.searching.dense_inverted import InvertedVectors

DIM = 16
NUM = 6000


@pytest.fixture(autouse=True)
def small_stores(monkeypatch):
    """Lists from 2000 vectors on, copied in many steps."""
    monkeypatch.setattr(dense, "FLAT_UP_TO", 2000)
    monkeypatch.setattr(dense, "_COPIED_AT_ONCE", 500)
    monkeypatch.setattr(dense, "_LAST_COPIED", 100)


@pytest.fixture(scope="module")
def vectors():
    """In 40 clusters of uneven size."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(40, DIM))
    rows = centres[rng.zipf(1.5, NUM) % 40] + 0.5 * rng.normal(size=(NUM, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def filled(vectors, step=1000):
    index = DenseIndex(DIM)
    for start in range(0, len(vectors), step):
        rows = np.arange(start, min(start + step, len(vectors)))
        index.add(rows, vectors[rows])
    return index


def inverted(vectors):
    index = filled(vectors)
    index.wait()
    assert isinstance(index._vectors, InvertedVectors)
    return index


def recall(index, vectors, alive, allowed=None):
    """Of the ten nearest of those alive and allowed, over 50 questions."""
    counts = []
    mask = alive if allowed is None else alive & allowed
    for query in vectors[:: NUM // 50]:
        exact = np.argsort(-np.where(mask, vectors @ query, -2))[: min(10, mask.sum())]
        rows, scores = index.search(query, 100, None if allowed is None else mask)
        assert mask[rows].all()
        assert list(scores) == sorted(scores, reverse=True)
        assert len(rows) == min(100, mask.sum())
        np.testing.assert_allclose(scores, vectors[rows] @ query, atol=2e-3)  # half floats
        counts.append(np.isin(exact, rows[:10]).mean())
    return np.mean(counts)


def test_a_small_store_is_exact_and_a_large_one_nearly(vectors):
    small = filled(vectors[:1000])
    rows, _ = small.search(vectors[5], 10)
    assert rows.tolist() == np.argsort(-(vectors[:1000] @ vectors[5]), kind="stable")[:10].tolist()
    assert recall(inverted(vectors), vectors, np.ones(NUM, bool)) >= 0.97


@pytest.mark.parametrize("share", [0.5, 0.1, 0.01, 0.001])
def test_a_filter_of_any_width_keeps_the_recall(vectors, share):
    allowed = np.random.default_rng(1).random(NUM) < share
    assert recall(inverted(vectors), vectors, np.ones(NUM, bool), allowed) >= 0.97


def test_a_filter_on_what_lies_far_away_finds_all_of_it(vectors):
    far = vectors @ vectors[0] < np.quantile(vectors @ vectors[0], 0.02)
    rows, _ = inverted(vectors).search(vectors[0], 1000, far)
    assert sorted(rows.tolist()) == np.flatnonzero(far).tolist()


@pytest.mark.parametrize("share", [0.3, 0.95])
def test_removed_vectors_are_not_found_and_cost_no_recall(vectors, share):
    index = inverted(vectors)
    alive = np.random.default_rng(2).random(NUM) >= share
    index.remove(np.flatnonzero(~alive))
    assert recall(index, vectors, alive) >= 0.97
    assert recall(index, vectors, alive, np.arange(NUM) % 3 == 0) >= 0.97


def test_renumbered_rows_are_found_under_their_new_numbers(vectors):
    for index in (filled(vectors[:1000]), inverted(vectors)):
        kept = np.arange(0, index._end, 3)
        index.remove(np.setdiff1d(np.arange(index._end), kept))
        index.renumber(kept)
        rows, _ = index.search(vectors[kept[7]], 1)
        assert rows.tolist() == [7]
        index.add(np.array([len(kept)]), -vectors[kept[7]][np.newaxis])
        assert index.search(-vectors[kept[7]], 1)[0].tolist() == [len(kept)]


def test_lists_are_made_while_vectors_come_and_go(vectors, monkeypatch):
    trained, go_on = threading.Event(), threading.Event()
    calibrate = InvertedVectors.calibrate

    def pause(self, queries):
        trained.set()
        assert go_on.wait(60)
        calibrate(self, queries)

    monkeypatch.setattr(InvertedVectors, "calibrate", pause)
    index = filled(vectors[:3000])
    assert trained.wait(60)
    index.remove(np.arange(0, 3000, 2))  # most of these were copied already
    index.add(np.arange(3000, NUM), vectors[3000:])
    index.remove(np.arange(3000, NUM, 2))
    assert index.is_building
    alive = np.arange(NUM) % 2 == 1
    assert recall(index, vectors, alive) == 1.0  # the flat index serves meanwhile
    go_on.set()
    index.wait()
    assert isinstance(index._vectors, InvertedVectors)
    assert len(index._vectors) == alive.sum()
    assert recall(index, vectors, alive) >= 0.97


def test_a_store_that_grows_fourfold_gets_more_lists(vectors):
    index = filled(vectors[:2000])
    index.wait()
    first = index._vectors
    index.add(np.arange(2000, NUM), vectors[2000:])
    index.wait()
    assert index._vectors is first
    more = np.concatenate([vectors] * 2)
    for start in range(NUM, 2 * NUM, 1000):
        index.add(np.arange(start, start + 1000), more[start : start + 1000])
    index.wait()
    assert isinstance(index._vectors, InvertedVectors)
    assert index._vectors is not first
    assert len(index._vectors) == 2 * NUM


def test_a_store_that_loses_its_vectors_gets_no_lists(vectors, monkeypatch):
    sample = DenseIndex._sample

    def remove_and_sample(self, rng, share):
        self.remove(np.arange(1990))
        return sample(self, rng, share)

    monkeypatch.setattr(DenseIndex, "_sample", remove_and_sample)
    index = filled(vectors[:2000])
    index.wait()
    assert not isinstance(index._vectors, InvertedVectors)
    assert sorted(index.search(vectors[0], 50)[0].tolist()) == list(range(1990, 2000))
    assert index.search(vectors[0], 5, np.zeros(2000, bool))[0].tolist() == []
