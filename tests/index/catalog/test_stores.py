import pytest

from index.errors import (
    ExpiredStoreError,
    InvalidAttributesError,
    UnknownCursorError,
    UnknownFileError,
    UnknownStoreError,
    UnknownStoreFileError,
)
from index.records import Chunking, FileCounts

DAY = 86_400


def test_a_store_is_read_back_as_it_was_made(catalog):
    chunking = Chunking(max_chunk_tokens=100, chunk_overlap_tokens=20)
    made = catalog.create_store(
        name="docs", description="all", metadata={"team": "a"}, chunking=chunking
    )
    assert catalog.get_store(made.id) == made
    assert (made.name, made.description, made.metadata) == ("docs", "all", {"team": "a"})
    assert (made.chunking, made.status, made.usage_bytes) == (chunking, "completed", 0)


def test_a_store_counts_its_files_by_state(corpus):
    files = [corpus.upload() for _ in range(3)]
    store = corpus.catalog.create_store(name="docs", file_ids=files)
    assert (store.status, store.file_counts) == ("in_progress", FileCounts(in_progress=3))
    corpus.complete(corpus.claim(), ["four"])
    corpus.catalog.fail_job(corpus.claim(), "invalid_file", "no text")
    store = corpus.catalog.get_store(store.id)
    assert store.file_counts == FileCounts(in_progress=1, completed=1, failed=1)
    assert store.usage_bytes == len("four") + 8 * 4  # the text and a vector of 8 float32


def test_a_store_with_an_unknown_file_is_not_made(catalog):
    with pytest.raises(UnknownFileError):
        catalog.create_store(name="docs", file_ids=["file-none"])
    assert catalog.list_stores().items == ()


def test_a_store_is_found_by_id_and_by_its_oldest_name(corpus):
    first, second = corpus.store("docs"), corpus.store("docs")
    assert corpus.catalog.find_store(second).id == second
    assert corpus.catalog.find_store("docs").id == first
    with pytest.raises(UnknownStoreError, match="'none'"):
        corpus.catalog.find_store("none")


def test_stores_are_listed_newest_first(corpus):
    ids = [corpus.store() for _ in range(3)]
    page = corpus.catalog.list_stores(limit=2)
    assert ([store.id for store in page.items], page.has_more) == ([ids[2], ids[1]], True)
    assert [store.id for store in corpus.catalog.list_stores(after=ids[1]).items] == [ids[0]]


def test_an_update_changes_what_it_names_only(catalog):
    store = catalog.create_store(name="a", metadata={"k": "v"}, expires_after_days=7)
    assert catalog.update_store(store.id, name="b").expires_after_days == 7
    changed = catalog.update_store(store.id, expires_after_days=None)
    assert (changed.name, changed.metadata, changed.expires_at) == ("b", {"k": "v"}, None)


@pytest.mark.parametrize(
    "metadata", [{f"k{i}": "v" for i in range(17)}, {"k": "v" * 513}, {"": "v"}, {"k": "\ud800"}]
)
def test_metadata_out_of_bounds_is_refused(catalog, metadata):
    with pytest.raises(InvalidAttributesError):
        catalog.create_store(name="docs", metadata=metadata)


def test_a_store_expires_after_days_without_use(catalog, clock):
    store = catalog.create_store(name="docs", expires_after_days=1)
    clock.now += DAY - 1
    catalog.open_stores([store.id])
    clock.now += DAY - 1
    assert catalog.get_store(store.id).status == "completed"
    clock.now += 1
    assert catalog.get_store(store.id).status == "expired"
    with pytest.raises(ExpiredStoreError):
        catalog.open_stores([store.id])


def test_a_search_names_stores_by_id_and_by_name(corpus):
    catalog = corpus.catalog
    first, other, _ = corpus.store("docs"), corpus.store("other"), corpus.store("docs")
    corpus.add(first, ["words"])
    opened = catalog.open_stores(["other", first, "docs", other])
    assert (opened.ids, opened.head) == ((other, first), catalog.head())


def test_an_id_comes_before_a_name_that_equals_it(corpus):
    named_so, meant = corpus.store("docs"), corpus.store()
    corpus.catalog.update_store(named_so, name=meant)
    assert corpus.catalog.open_stores([meant]).ids == (meant,)
    assert corpus.catalog.find_store(meant).id == meant


def test_a_search_of_all_stores_leaves_out_those_that_have_expired(catalog, clock):
    assert catalog.open_stores(None).ids == ()
    lasting = catalog.create_store(name="docs").id
    expiring = catalog.create_store(name="docs", expires_after_days=1).id
    assert catalog.open_stores(None).ids == (lasting, expiring)
    clock.now += DAY
    assert catalog.open_stores(None).ids == (lasting,)


def test_a_search_of_all_stores_keeps_them_alive(catalog, clock):
    store = catalog.create_store(name="docs", expires_after_days=1)
    clock.now += DAY - 1
    catalog.open_stores(None)
    assert catalog.get_store(store.id).expires_at == clock.now + DAY


@pytest.mark.parametrize("named", ["none", "vs_none", "vs_\0", "vs_\ud800", ""])
def test_a_search_of_what_is_no_store_is_refused(corpus, named):
    with pytest.raises(UnknownStoreError, match="no vector store has the id or name"):
        corpus.catalog.open_stores([corpus.store(), named])


def test_a_search_of_a_name_that_expired_is_refused(catalog, clock):
    catalog.create_store(name="docs", expires_after_days=1)
    clock.now += DAY
    catalog.create_store(name="docs")
    with pytest.raises(ExpiredStoreError):  # the oldest has the name
        catalog.open_stores(["docs"])


def test_a_deleted_store_takes_its_files_jobs_and_passages_along(corpus):
    store_id = corpus.store()
    indexed, waiting = corpus.add(store_id, ["words"]), corpus.upload()
    corpus.catalog.attach_file(store_id, waiting)
    corpus.catalog.delete_store(store_id)
    with pytest.raises(UnknownStoreError):
        corpus.catalog.get_store(store_id)
    assert corpus.catalog.claim_job("a", 60) is None
    assert {change.kind for change in corpus.catalog.changes_since(0)} == {"delete"}
    assert corpus.catalog.get_file(indexed).id == indexed


@pytest.mark.parametrize("named", ["vs_\0", "vs_\ud800"])
def test_what_no_database_can_hold_names_nothing(catalog, named):
    store_id = catalog.create_store(name="docs").id
    with pytest.raises(UnknownStoreError):
        catalog.get_store(named)
    with pytest.raises(UnknownStoreError):
        catalog.find_store(named)
    with pytest.raises(UnknownFileError):
        catalog.attach_file(store_id, named)
    with pytest.raises(UnknownStoreFileError):
        catalog.get_store_file(store_id, named)
    with pytest.raises(UnknownCursorError):
        catalog.list_stores(after=named)
    assert catalog.list_files(purpose=named).items == ()


def test_names_differ_by_case_and_may_be_long(catalog):
    long = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(5000))
    names = ["docs", "Docs", "döcs", long]
    ids = [catalog.create_store(name=name).id for name in names]
    assert [catalog.find_store(name).id for name in names] == ids
