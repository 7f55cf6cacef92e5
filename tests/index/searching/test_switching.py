"""Searches while a store moves to another embedder, and documents come, change and go."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import CorpusUnavailableError, FingerprintMismatchError
from index.searching.fold import Fold
from index.searching.request import SearchRequest
from index.searching.store_index import StoreIndex
from index.searching.switching import SwitchingIndex, build_index
from tests.index.moving import (
    NEW,
    OLD,
    fill,
    filled,
    found,
    ingest,
    is_exact,
    move,
    put,
    texts_of,
    wait,
)

ACTS = ["add"] * 3 + ["change", "delete", "fill", "fill", "switch", "back", "search", "search"]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3)), min_size=8, max_size=30))
def test_whatever_happens_during_a_move_every_search_finds_what_is_there(make_corpus, acts):
    corpus = make_corpus()
    catalog, store_id = corpus.catalog, corpus.store()
    fold, files = Fold(catalog), [put(corpus, store_id, ["words at first", "words too"])]
    fold.catch_up()
    for number, (act, at) in enumerate(acts):
        match act:
            case "add":
                texts = [f"words {number} {i}" for i in range(at)]
                files.append(put(corpus, store_id, texts))
            case "change" if files:
                put(corpus, store_id, [f"words anew {number}"], files[at % len(files)])
            case "delete" if files:
                catalog.delete_file(files.pop(at % len(files)))
            case "fill":
                fill(catalog, store_id, NEW, limit=at)
            case "switch" | "back" if catalog.chunk_ids(store_id):
                move(catalog, store_id, NEW if act == "switch" else OLD)
            case "search":
                assert found(fold, store_id) == texts_of(catalog, store_id)
    assert found(fold, store_id) == texts_of(catalog, store_id)
    put(corpus, store_id, ["words at last"])
    move(catalog, store_id, NEW)
    assert found(fold, store_id) == texts_of(catalog, store_id)
    wait(fold, store_id)
    assert isinstance(fold.indexes[store_id], StoreIndex)
    assert found(fold, store_id, embedders=[NEW]) == texts_of(catalog, store_id)
    assert is_exact(fold, store_id, NEW)
    assert set(catalog.count_vectors(store_id)) <= {OLD, NEW}
    assert catalog.count_vectors(store_id)[NEW] == len(texts_of(catalog, store_id))
    catalog.close()


@pytest.fixture
def moved(corpus):
    return filled(corpus)


@pytest.fixture
def held_back(monkeypatch):
    """Keeps new indexes from taking over until it is set."""
    go_on = threading.Event()

    def build(*arguments):
        go_on.wait(60)
        return build_index(*arguments)

    monkeypatch.setattr("index.searching.fold.build_index", build)
    yield go_on
    go_on.set()


def test_while_the_new_index_is_built_searches_see_all_that_was_committed(moved, held_back):
    corpus, store_id, files, fold = moved
    assert corpus.catalog.switch_embedder(store_id, NEW)
    assert is_exact(fold, store_id, OLD)
    assert isinstance(fold.indexes[store_id], SwitchingIndex)
    corpus.catalog.delete_file(files[0])
    put(corpus, store_id, ["words changed"], files[1])
    put(corpus, store_id, ["words added"])
    texts = texts_of(corpus.catalog, store_id)
    assert {"words changed", "words added"} < set(texts)
    assert len(texts) == 26
    for mode in ("dense", "lexical", "hybrid"):
        assert found(fold, store_id, mode=mode) == texts
    held_back.set()
    wait(fold, store_id)
    assert is_exact(fold, store_id, NEW)
    assert found(fold, store_id) == texts


def test_a_search_without_the_embedder_that_is_still_needed_is_refused(moved, held_back):
    corpus, store_id, _, fold = moved
    assert len(found(fold, store_id, embedders=[OLD])) == 30
    with pytest.raises(FingerprintMismatchError, match="'old@1', dimension 8; the search is of"):
        found(fold, store_id, embedders=[NEW])
    assert corpus.catalog.switch_embedder(store_id, NEW)
    with pytest.raises(FingerprintMismatchError, match="'old@1'"):
        found(fold, store_id, embedders=[NEW])
    held_back.set()
    wait(fold, store_id)
    assert len(found(fold, store_id, embedders=[NEW])) == 30
    with pytest.raises(FingerprintMismatchError, match="'new@1', dimension 4"):
        found(fold, store_id, embedders=[OLD])


def test_a_switch_that_is_taken_back_while_its_index_is_built(moved, held_back):
    corpus, store_id, files, fold = moved
    assert corpus.catalog.switch_embedder(store_id, NEW)
    fold.catch_up()
    put(corpus, store_id, ["words changed"], files[1])
    assert len(found(fold, store_id)) == 28
    given_up = fold.indexes[store_id]
    assert not corpus.catalog.switch_embedder(store_id, OLD)
    move(corpus.catalog, store_id, OLD)
    assert found(fold, store_id) == texts_of(corpus.catalog, store_id)
    held_back.set()
    given_up.wait()
    wait(fold, store_id)
    assert is_exact(fold, store_id, OLD)
    assert found(fold, store_id, embedders=[OLD]) == texts_of(corpus.catalog, store_id)


def test_a_store_that_goes_while_its_index_is_built(moved, held_back):
    corpus, store_id, _, fold = moved
    assert corpus.catalog.switch_embedder(store_id, NEW)
    fold.catch_up()
    switching = fold.indexes[store_id]
    corpus.catalog.delete_store(store_id)
    fold.catch_up()
    held_back.set()
    switching.wait()
    assert fold.indexes == {}
    replay = Fold(corpus.catalog)
    assert replay.catch_up() == corpus.catalog.head()
    assert replay.indexes == {}


def test_a_fold_that_starts_after_a_switch_reads_the_new_vectors_alone(moved):
    corpus, store_id, _, _ = moved
    assert corpus.catalog.switch_embedder(store_id, NEW)
    fold = Fold(corpus.catalog)
    assert len(found(fold, store_id, embedders=[NEW])) == 30
    assert isinstance(fold.indexes[store_id], StoreIndex)


def test_a_database_that_is_away_delays_the_new_index(moved, monkeypatch):
    corpus, store_id, _, fold = moved
    failures = iter([CorpusUnavailableError("gone")])
    contents = corpus.catalog.store_contents

    def fail_once(*arguments):
        for failure in failures:
            raise failure
        return contents(*arguments)

    monkeypatch.setattr("index.searching.fold._RETRY_S", 0.01)
    monkeypatch.setattr(corpus.catalog, "store_contents", fail_once)
    assert corpus.catalog.switch_embedder(store_id, NEW)
    fold.catch_up()
    wait(fold, store_id)
    assert is_exact(fold, store_id, NEW)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_index_that_cannot_be_built_lets_the_fold_start_over(moved, monkeypatch):
    corpus, store_id, _, fold = moved
    monkeypatch.setattr("index.searching.fold.build_index", lambda *_: 1 / 0)
    assert corpus.catalog.switch_embedder(store_id, NEW)
    fold.catch_up()
    wait(fold, store_id)
    assert len(found(fold, store_id, embedders=[NEW])) == 30


class Writer:
    """Adds and deletes documents of its own, and looks for them after each."""

    def __init__(self, corpus, store_id, fold):
        self._corpus, self._store_id, self._fold = corpus, store_id, fold
        self._claiming = threading.Lock()  # a claim takes the oldest job, which must be the own

    def write(self, name):
        chance, mine = Random(name), {}
        for number in range(20):
            if mine and chance.random() < 0.3:
                self._corpus.catalog.delete_file(mine.pop(chance.choice(sorted(mine))))
            else:
                text = f"words of {name} {number}"
                mine[text] = self._put(text)
            seen = {one for one in found(self._fold, self._store_id) if f" {name} " in one}
            assert seen == set(mine)

    def _put(self, text):
        file_id = self._corpus.upload()
        with self._claiming:
            self._corpus.catalog.attach_file(self._store_id, file_id)
            job = self._corpus.claim()
            while True:
                with suppress(FingerprintMismatchError):  # switched meanwhile; as the Ingester does
                    ingest(self._corpus, job, [text])
                    return file_id


def test_writers_searches_and_moves_to_and_fro_at_once(corpus):
    """Nothing fails, and every search sees what its own thread has committed."""
    catalog, store_id = corpus.catalog, corpus.store()
    put(corpus, store_id, ["words of the first"])
    fold, ended = Fold(catalog), threading.Event()
    writer = Writer(corpus, store_id, fold)

    def go_to_and_fro():
        while not ended.is_set():
            for embedder in (NEW, OLD):
                move(catalog, store_id, embedder)

    with ThreadPoolExecutor(4) as pool:
        mover = pool.submit(go_to_and_fro)
        writers = [pool.submit(writer.write, name) for name in ("a", "b", "c")]
        try:
            for one in writers:
                one.result()
        finally:
            ended.set()
        mover.result()
    move(catalog, store_id, NEW)
    assert found(fold, store_id) == texts_of(catalog, store_id)
    wait(fold, store_id)
    assert is_exact(fold, store_id, NEW)


def tight(vectors):
    """What an embedder gives whose cosines are all high: 0.75 and above."""
    wide = np.concatenate([vectors, np.full((len(vectors), 1), np.sqrt(3), np.float32)], axis=1)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)


@pytest.mark.parametrize("is_old_tight", [False, True])
def test_cosines_of_two_embedders_are_brought_to_one_scale(
    corpus, held_back, vectors_of, is_old_tight
):
    catalog, store_id = corpus.catalog, corpus.store()
    kinds = {"loose@1": lambda rows: rows, "tight@1": tight}
    old, new = sorted(kinds, reverse=is_old_tight)
    rows = vectors_of(300, dim=64)

    def add(number, embedder):
        catalog.attach_file(store_id, corpus.upload())
        own = kinds[embedder](rows[number : number + 1])
        corpus.complete(corpus.claim(), [f"words {number}"], own, embedder)

    for number in range(250):
        add(number, old)
    fold = Fold(catalog)
    fold.catch_up()
    catalog.add_vectors(new, catalog.chunk_ids(store_id), kinds[new](rows[:250]))
    assert catalog.switch_embedder(store_id, new)
    fold.catch_up()
    for number in range(250, 300):
        add(number, new)
    wait_until(lambda: fold.indexes[store_id]._scales is not None)
    for wanted in (7, 270):
        query = rows[wanted : wanted + 1] + 0.5 * vectors_of(1, seed=1, dim=64)
        query = (query / np.linalg.norm(query)).astype(np.float32)
        asked = SearchRequest(
            stores=(store_id,), text="", mode="dense", vector=kinds[old](query)[0],
            fingerprint=old, others={new: kinds[new](query)[0]}, top_k=40,
        )  # fmt: skip
        found = [int(hit.text.split()[1]) for hit in fold.search(asked)]
        assert found[0] == wanted
        nearest = np.argsort(-(rows @ query[0]))[:40]
        assert len(set(found) & set(nearest.tolist())) > 32
    held_back.set()
    wait(fold, store_id)


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
