import pytest

from index.errors import (
    ExpiredStoreError,
    InvalidAttributesError,
    UnknownFileError,
    UnknownStoreError,
    UnknownStoreFileError,
)
from index.records import ChunkDraft, Chunking


def test_an_attached_file_waits_for_its_job(corpus):
    store_id, file_id = corpus.store(), corpus.upload("a.md")
    record = corpus.catalog.attach_file(store_id, file_id, attributes={"year": 2024, "new": True})
    assert (record.status, record.filename) == ("in_progress", "a.md")
    assert record.attributes == {"year": 2024, "new": True}
    assert corpus.catalog.get_store_file(store_id, file_id) == record
    assert corpus.claim().file_id == file_id


def test_attaching_again_does_nothing_twice(corpus):
    store_id, file_id = corpus.store(), corpus.upload()
    first = corpus.catalog.attach_file(store_id, file_id)
    assert corpus.catalog.attach_file(store_id, file_id) == first
    head = corpus.complete(corpus.claim(), ["words"])
    assert corpus.catalog.attach_file(store_id, file_id).status == "completed"
    assert corpus.catalog.claim_job("a", 60) is None
    assert corpus.catalog.head() == head


def test_a_failed_file_is_indexed_again_when_attached_again(corpus):
    store_id, file_id = corpus.store(), corpus.upload()
    corpus.catalog.attach_file(store_id, file_id)
    corpus.catalog.fail_job(corpus.claim(), "server_error", "out of memory")
    failed = corpus.catalog.get_store_file(store_id, file_id)
    assert (failed.error_code, failed.error_message) == ("server_error", "out of memory")
    again = corpus.catalog.attach_file(store_id, file_id)
    assert (again.status, again.error_code) == ("in_progress", None)
    assert corpus.claim().file_id == file_id


def test_another_chunking_indexes_the_file_again_and_replaces_its_passages(corpus):
    store_id = corpus.store()
    file_id = corpus.add(store_id, ["one two"])
    corpus.catalog.attach_file(store_id, file_id, chunking=Chunking(max_chunk_tokens=1))
    assert corpus.catalog.store_file_text(store_id, file_id) == ("one two",)
    corpus.complete(corpus.claim(), ["one", "two"])
    assert corpus.catalog.store_file_text(store_id, file_id) == ("one", "two")


def test_attributes_are_replaced_and_logged_once_search_knows_the_file(corpus):
    store_id, file_id = corpus.store(), corpus.upload()
    corpus.catalog.attach_file(store_id, file_id, attributes={"a": 1})
    corpus.catalog.update_attributes(store_id, file_id, {"b": "x"})
    assert corpus.catalog.head() == 0
    corpus.complete(corpus.claim(), ["words"])
    assert corpus.catalog.update_attributes(store_id, file_id, {"c": False}).attributes == {
        "c": False
    }
    assert [change.attributes for change in corpus.catalog.changes_since(1)] == [{"c": False}]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, ["x"], "x" * 513])
def test_an_attribute_of_another_type_is_refused(corpus, value):
    store_id, file_id = corpus.store(), corpus.upload()
    with pytest.raises(InvalidAttributesError, match="'key'"):
        corpus.catalog.attach_file(store_id, file_id, attributes={"key": value})


def test_store_files_are_listed_by_status_and_page(corpus):
    store_id = corpus.store()
    ids = [corpus.add(store_id, ["words"]) for _ in range(3)]
    waiting = corpus.upload()
    corpus.catalog.attach_file(store_id, waiting)
    page = corpus.catalog.list_store_files(store_id, limit=2, status="completed")
    assert ([file.file_id for file in page.items], page.has_more) == ([ids[2], ids[1]], True)
    rest = corpus.catalog.list_store_files(store_id, after=ids[1])
    assert [file.file_id for file in rest.items] == [ids[0]]


def test_a_detached_file_is_out_of_the_store_but_still_uploaded(corpus):
    store_id = corpus.store()
    file_id = corpus.add(store_id, ["words"])
    corpus.catalog.detach_file(store_id, file_id)
    with pytest.raises(UnknownStoreFileError):
        corpus.catalog.store_file_text(store_id, file_id)
    assert corpus.catalog.get_file(file_id).id == file_id


def test_what_is_missing_is_named(corpus):
    store_id, file_id = corpus.store(), corpus.upload()
    with pytest.raises(UnknownStoreError, match="vs_none"):
        corpus.catalog.attach_file("vs_none", file_id)
    with pytest.raises(UnknownFileError, match="file-none"):
        corpus.catalog.attach_file(store_id, "file-none")
    with pytest.raises(UnknownStoreFileError, match=file_id):
        corpus.catalog.get_store_file(store_id, file_id)
    with pytest.raises(UnknownStoreError, match="vs_none"):
        corpus.catalog.detach_file("vs_none", file_id)


def test_nothing_is_attached_to_an_expired_store(corpus, clock):
    store_id = corpus.catalog.create_store(name="docs", expires_after_days=1).id
    clock.now += 86_400
    with pytest.raises(ExpiredStoreError):
        corpus.catalog.attach_file(store_id, corpus.upload())


def test_the_text_of_a_file_stands_below_its_headings(corpus, vectors_of):
    store_id = corpus.store()
    file_id = corpus.upload("faq.html")
    corpus.catalog.attach_file(store_id, file_id)
    titles = ("FAQ > How long does charging take?", "faq.html")
    drafts = [
        ChunkDraft(text="Two hours.", title=title, char_start=i, char_end=i + 1, ordinal=i)
        for i, title in enumerate(titles)
    ]
    corpus.catalog.complete_job(corpus.claim(), drafts, vectors_of(2), "words@1")
    below, alone = corpus.catalog.store_file_text(store_id, file_id)
    assert (below, alone) == (f"{titles[0]}\nTwo hours.", "Two hours.")
