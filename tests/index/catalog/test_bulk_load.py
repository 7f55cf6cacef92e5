import threading

import numpy as np
import pytest

from index.catalog.bulk_load import BulkDocument, CutDocument, check_document
from index.catalog.catalog import Catalog
from index.errors import (
    ExpiredStoreError,
    FingerprintMismatchError,
    InvalidAttributesError,
    InvalidFileError,
)
from index.records import ChunkDraft


def document(name="a.md", data=b"words", attributes=None):
    return BulkDocument(filename=name, data=data, attributes=attributes)


def cut(name="a.md", texts=("one", "two"), attributes=None):
    drafts = tuple(
        ChunkDraft(text=text, title=name, char_start=i, char_end=i + 1, ordinal=i)
        for i, text in enumerate(texts)
    )
    found = document(name, "\n".join(texts).encode(), attributes)
    return CutDocument(document=found, drafts=drafts)


@pytest.fixture
def load(corpus, vectors_of):
    def do(store_id, *documents, seed=0, fingerprint="words@1", dim=8):
        vectors = vectors_of(sum(len(one.drafts) for one in documents), seed, dim)
        stored = corpus.catalog.load_documents(store_id, documents, vectors, fingerprint)
        return stored, vectors

    return do


def held(catalog, store_id):
    """What a search replica would hold: the passages by the name of their file."""
    folded = {}
    for change in catalog.changes_since(0, limit=1000):
        folded[change.file_id] = change
    return {
        one.filename: tuple(passage.text for passage in one.passages)
        for one in folded.values()
        if one.kind == "upsert" and one.store_id == store_id
    }


def test_loaded_documents_are_files_of_the_store_and_known_to_search(corpus, load):
    store_id = corpus.store()
    attributes = {"year": 2024, "tag": "x"}
    stored, vectors = load(store_id, cut("a.md"), cut("b.md", ["three"], attributes))
    assert stored == [True, True]
    assert held(corpus.catalog, store_id) == {"a.md": ("one", "two"), "b.md": ("three",)}
    changes = corpus.catalog.changes_since(0)
    np.testing.assert_array_equal(np.concatenate([one.vectors for one in changes]), vectors)
    files = corpus.catalog.list_store_files(store_id, order="asc").items
    assert [(one.filename, one.status) for one in files] == [
        ("a.md", "completed"),
        ("b.md", "completed"),
    ]
    assert files[1].attributes == attributes
    assert files[0].usage_bytes == len(b"onetwo") + 2 * 8 * 4
    assert corpus.catalog.file_content(files[0].file_id) == b"one\ntwo"
    assert corpus.catalog.claim_job("a", 60) is None


def test_what_is_loaded_is_neither_stored_nor_logged_again(corpus, load):
    store_id = corpus.store()
    load(store_id, cut("a.md"))
    head = corpus.catalog.head()
    assert corpus.catalog.find_loaded(store_id, [cut("a.md").document]) == [True]
    assert load(store_id, cut("a.md"), seed=9)[0] == [False]
    assert corpus.catalog.head() == head


def test_another_version_takes_the_place_of_the_one_before(corpus, load):
    store_id, other = corpus.store(), corpus.store("other")
    for store in (store_id, other):
        load(store, cut("a.md"), cut("b.md"))
    assert corpus.catalog.find_loaded(store_id, [cut("a.md", ["new"]).document]) == [False]
    assert load(store_id, cut("a.md", ["new"]), cut("b.md"))[0] == [True, False]
    assert held(corpus.catalog, store_id) == {"a.md": ("new",), "b.md": ("one", "two")}
    assert held(corpus.catalog, other) == {"a.md": ("one", "two"), "b.md": ("one", "two")}
    assert len(corpus.catalog.list_files().items) == 4


def test_other_attributes_are_another_version_and_none_leaves_those_it_has(corpus, load):
    store_id = corpus.store()
    load(store_id, cut(attributes={"year": 1}))
    assert load(store_id, cut())[0] == [False]
    assert load(store_id, cut(attributes={"year": 2}))[0] == [True]
    (file,) = corpus.catalog.list_store_files(store_id).items
    assert file.attributes == {"year": 2}


def test_an_upload_of_the_same_name_and_bytes_counts_as_loaded(corpus, load):
    store_id = corpus.store()
    uploaded = corpus.upload("a.md", b"one\ntwo")
    corpus.catalog.attach_file(store_id, uploaded)
    assert corpus.catalog.find_loaded(store_id, [cut().document]) == [False]
    corpus.complete(corpus.claim(), ["one", "two"])
    assert corpus.catalog.find_loaded(store_id, [cut().document]) == [True]
    load(store_id, cut("a.md", ["new"]))  # an upload with other bytes is left alone
    assert corpus.catalog.get_store_file(store_id, uploaded).status == "completed"


def test_an_old_version_that_another_store_holds_stays_there(corpus, load):
    store_id, other = corpus.store(), corpus.store("other")
    load(store_id, cut())
    (file,) = corpus.catalog.list_store_files(store_id).items
    corpus.catalog.attach_file(other, file.file_id)
    load(store_id, cut(texts=["new"]))
    assert [one.file_id for one in corpus.catalog.list_store_files(other).items] == [file.file_id]
    assert file.file_id not in [
        one.file_id for one in corpus.catalog.list_store_files(store_id).items
    ]


def test_of_two_documents_with_one_name_the_last_is_taken(corpus, load):
    store_id = corpus.store()
    assert load(store_id, cut(texts=["one"]), cut("b.md"), cut(texts=["last"]))[0] == [
        False,
        True,
        True,
    ]
    assert held(corpus.catalog, store_id) == {"b.md": ("one", "two"), "a.md": ("last",)}


def test_many_documents_are_replaced_at_once(corpus, load):
    store_id = corpus.store()
    load(store_id, *[cut(f"{number}.md", ["old"]) for number in range(120)])
    load(store_id, *[cut(f"{number}.md", ["new"]) for number in range(120)])
    assert held(corpus.catalog, store_id) == {f"{number}.md": ("new",) for number in range(120)}


def test_vectors_of_another_embedder_are_refused_and_change_nothing(corpus, load):
    store_id = corpus.store()
    load(store_id, cut())
    head = corpus.catalog.head()
    with pytest.raises(FingerprintMismatchError, match="got 'other'"):
        load(store_id, cut("b.md"), fingerprint="other")
    assert corpus.catalog.head() == head
    assert len(corpus.catalog.list_files().items) == 1


def test_an_expired_store_takes_nothing(corpus, clock, load):
    store_id = corpus.catalog.create_store(name="docs", expires_after_days=1).id
    clock.now += 2 * 86_400
    with pytest.raises(ExpiredStoreError):
        load(store_id, cut())


def test_two_loads_of_the_same_documents_at_once_store_each_once(corpus, url, vectors_of):
    store_id = corpus.store()
    documents = [cut(f"{number}.md", ["text"]) for number in range(20)]

    def run():
        catalog = Catalog(url)
        for one in documents:
            catalog.load_documents(store_id, [one], vectors_of(1), "words@1")
        catalog.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = [one.filename for one in corpus.catalog.list_store_files(store_id, limit=100).items]
    assert sorted(names) == sorted(one.document.filename for one in documents)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        (document(data=b""), InvalidFileError, "'a.md' is empty"),
        (document(name="x" * 256), InvalidFileError, "got 256"),
        (document(name=""), InvalidFileError, "got 0"),
        (document(name="a\0.md"), InvalidAttributesError, "NUL"),
        (document(attributes={"a": [1]}), InvalidAttributesError, r"got \[1\]"),
    ],
)
def test_a_document_that_cannot_be_stored_is_refused(bad, error, message):
    with pytest.raises(error, match=message):
        check_document(bad)
