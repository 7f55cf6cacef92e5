import numpy as np
import pytest

from index.errors import InvalidFileError
from index.records import ChunkDraft, Chunking, content_hash


def draft(text, **fields):
    return ChunkDraft(
        text=text,
        **({"title": "handbook.md", "char_start": 0, "char_end": 1, "ordinal": 0} | fields),
    )


@pytest.fixture
def indexed(corpus, vectors_of):
    """A file whose passages are indexed, and that is to be cut anew."""
    store_id = corpus.store()
    file_id = corpus.add(store_id, ["one", "two"], vectors_of(2))
    corpus.catalog.attach_file(store_id, file_id, chunking=Chunking(max_chunk_tokens=50))
    return store_id, file_id


def chunk_ids(corpus):
    return [p.chunk_id for change in corpus.catalog.changes_since(0) for p in change.passages]


def test_the_same_content_is_neither_stored_nor_logged_again(corpus, vectors_of, indexed):
    head, ids = corpus.catalog.head(), chunk_ids(corpus)
    assert corpus.complete(corpus.claim(), ["one", "two"], vectors_of(2, seed=9)) == head
    assert corpus.catalog.get_store_file(*indexed).status == "completed"
    assert (corpus.catalog.head(), chunk_ids(corpus)) == (head, ids)


@pytest.mark.parametrize("texts", [["one"], ["one", "2"], ["two", "one"], ["one", "two", "3"], []])
def test_other_content_takes_the_place_of_the_old(corpus, indexed, texts):
    head, ids = corpus.catalog.head(), chunk_ids(corpus)
    assert corpus.complete(corpus.claim(), texts) == head + 1
    assert corpus.catalog.store_file_text(*indexed) == tuple(texts)
    assert not set(ids) & set(chunk_ids(corpus))


@pytest.mark.parametrize("field", ["title", "char_end", "page"])
def test_the_same_words_elsewhere_are_other_content(corpus, vectors_of, field):
    store_id = corpus.store()
    file_id = corpus.add(store_id, ["words"])
    corpus.catalog.attach_file(store_id, file_id, chunking=Chunking(max_chunk_tokens=50))
    moved = draft("words", **{field: "Other" if field == "title" else 9})
    head = corpus.catalog.complete_job(corpus.claim(), [moved], vectors_of(1), "words@1")
    assert head == 2


def test_a_store_of_one_file_moves_to_another_embedder(corpus, vectors_of, indexed):
    corpus.complete(corpus.claim(), ["one", "two"], vectors_of(2, dim=4), fingerprint="other")
    assert corpus.catalog.get_store(indexed[0]).fingerprint == "other"


def test_content_that_was_embedded_is_known_by_its_hash(corpus, vectors_of):
    vectors, passages = vectors_of(2), [draft("one"), draft("two"), draft("three")]
    one, two, three = map(content_hash, passages)
    for _ in range(2):  # the same content in two files
        corpus.add(corpus.store(), ["one", "two"], vectors)
    known = corpus.catalog.known_vectors("words@1", [one, three, two])
    assert set(known) == {one, two}
    np.testing.assert_array_equal([known[one], known[two]], vectors)
    assert corpus.catalog.known_vectors("other", [one, two]) == {}
    many = [f"{number:064x}" for number in range(1200)]
    assert set(corpus.catalog.known_vectors("words@1", [*many, two])) == {two}


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b"])
def test_a_passage_that_no_database_can_hold_is_refused(corpus, vectors_of, text):
    store_id, file_id = corpus.store(), corpus.upload()
    corpus.catalog.attach_file(store_id, file_id)
    job = corpus.claim()
    with pytest.raises(InvalidFileError, match="passage 0 holds a NUL or a lone surrogate"):
        corpus.complete(job, [text])
    corpus.catalog.fail_job(job, "invalid_file", "not text")
