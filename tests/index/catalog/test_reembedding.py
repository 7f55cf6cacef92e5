"""What the catalog does for a store that moves to another embedder."""

import pytest
from sqlalchemy import select

from index.catalog.catalog import Catalog
from index.catalog.schema import vectors
from index.errors import ExpiredStoreError, UnknownStoreError
from tests.index.moving import NEW, OLD, embed, fill, filled, is_exact, put


@pytest.fixture
def moved(corpus):
    return filled(corpus)


def test_a_fill_that_was_stopped_goes_on_where_it_was(corpus, url):
    store_id = corpus.store()
    for n in range(5):
        put(corpus, store_id, [f"words {n} {i}" for i in range(4)])
    assert fill(corpus.catalog, store_id, NEW, limit=7) == 7
    again = Catalog(url)
    assert not again.switch_embedder(store_id, NEW)
    assert again.embedder_of(store_id) == OLD
    missing = again.chunk_ids(store_id, without=NEW)
    assert missing == again.chunk_ids(store_id)[7:]
    assert again.count_vectors(store_id) == {OLD: 20, NEW: 7}
    assert fill(again, store_id, NEW) == 13
    assert again.switch_embedder(store_id, NEW)
    assert again.get_store(store_id).fingerprint == NEW
    assert again.embedder_of(store_id) == NEW
    again.close()


def test_vectors_of_passages_that_are_gone_or_filled_in_are_left_out(corpus):
    store_id = corpus.store()
    file_id = put(corpus, store_id, ["one", "two"])
    put(corpus, store_id, ["three"])
    ids = corpus.catalog.chunk_ids(store_id)
    corpus.catalog.delete_file(file_id)
    rows = embed(NEW, ["one", "two", "three"])
    assert corpus.catalog.add_vectors(NEW, ids, rows) == 1
    assert corpus.catalog.add_vectors(NEW, ids, rows) == 0
    assert corpus.catalog.read_vectors(NEW, ids).keys() == {ids[2]}
    assert corpus.catalog.read_vectors(NEW, ids)[ids[2]].tolist() == rows[2].tolist()


def test_dropped_vectors_are_never_those_that_are_searched(moved):
    corpus, store_id, _, fold = moved
    ids = corpus.catalog.chunk_ids(store_id)
    assert corpus.catalog.drop_vectors(store_id, ids) == 30
    assert corpus.catalog.count_vectors(store_id) == {OLD: 30}
    assert is_exact(fold, store_id, OLD)
    with corpus.catalog._read() as connection:
        assert len(connection.execute(select(vectors)).all()) == 30


def test_a_deleted_document_leaves_no_vector_of_any_embedder(moved):
    corpus, store_id, files, _ = moved
    for file_id in files:
        corpus.catalog.delete_file(file_id)
    assert corpus.catalog.count_vectors(store_id) == {}
    assert corpus.catalog.embedder_of(store_id) is None
    put(corpus, store_id, ["words"])
    assert corpus.catalog.embedder_of(store_id) == OLD


def test_a_store_that_is_unknown_or_has_expired_is_not_switched(corpus, clock):
    with pytest.raises(UnknownStoreError, match="vs_none"):
        corpus.catalog.switch_embedder("vs_none", NEW)
    with pytest.raises(UnknownStoreError, match="vs_none"):
        corpus.catalog.embedder_of("vs_none")
    store_id = corpus.catalog.create_store(name="docs", expires_after_days=1).id
    clock.now += 86_400
    with pytest.raises(ExpiredStoreError):
        corpus.catalog.switch_embedder(store_id, NEW)


def test_a_switch_to_the_present_embedder_changes_nothing(moved):
    corpus, store_id, _, _ = moved
    head = corpus.catalog.head()
    assert corpus.catalog.switch_embedder(store_id, OLD)
    assert corpus.catalog.head() == head
