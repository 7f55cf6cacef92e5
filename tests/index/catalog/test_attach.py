"""Many files in one transaction, through the batches that attach them."""

from contextlib import contextmanager

import pytest
from sqlalchemy import event, func, select

from index.catalog import schema
from index.errors import ExpiredStoreError, InvalidFileBatchError, LostLeaseError, UnknownFileError
from index.records import MAX_BATCH_FILES, Attachment, Chunking, FileCounts


def named(*file_ids, **options):
    return [Attachment(file_id=file_id, **options) for file_id in file_ids]


def num_rows(catalog, table):
    with catalog._read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def store_id(corpus):
    return corpus.store()


@contextmanager
def counted_statements(catalog):
    seen = []

    def count(*arguments):
        seen.append(arguments[2])

    event.listen(catalog._engine, "before_cursor_execute", count)
    yield seen
    event.remove(catalog._engine, "before_cursor_execute", count)


@pytest.mark.parametrize("missing", ["file-none", "file\0", "\ud800"])
def test_an_unknown_file_refuses_the_whole_batch_by_name(corpus, store_id, missing):
    known = corpus.upload()
    with pytest.raises(UnknownFileError) as caught:
        corpus.catalog.create_file_batch(store_id, named(known, missing, "file-none-2"))
    assert str(caught.value) == f"no file {missing!r}, nor 1 more of the 3"
    assert corpus.catalog.list_store_files(store_id).items == ()
    assert num_rows(corpus.catalog, schema.file_batches) == 0
    assert corpus.catalog.claim_job("a", 60) is None


def test_what_has_expired_is_refused(corpus, clock, store_id):
    file_id = corpus.catalog.create_file(
        filename="a.md", purpose="assistants", data=b"x", expires_after_s=86_400
    ).id
    expiring = corpus.catalog.create_store(name="docs", expires_after_days=1).id
    clock.now += 86_400
    with pytest.raises(UnknownFileError, match=file_id):
        corpus.catalog.create_file_batch(store_id, named(file_id))
    with pytest.raises(ExpiredStoreError):
        corpus.catalog.create_file_batch(expiring, named(corpus.upload()))


def test_attributes_that_search_knows_are_replaced_and_logged(corpus, store_id):
    known = [corpus.add(store_id, ["words"], year=1) for _ in range(2)]
    waiting = corpus.upload()
    corpus.catalog.attach_file(store_id, waiting)
    head = corpus.catalog.head()
    files = [*named(known[0], waiting, attributes={"a": "x"}), *named(known[1])]
    corpus.catalog.create_file_batch(store_id, files)
    changes = corpus.catalog.changes_since(head)
    assert [(one.file_id, one.attributes) for one in changes] == [(known[0], {"a": "x"})]
    assert corpus.catalog.get_store_file(store_id, known[1]).attributes == {"year": 1}


def test_another_chunking_takes_the_job_from_whoever_works_on_it(corpus, store_id):
    file_id, chunking = corpus.upload(), Chunking(max_chunk_tokens=100)
    corpus.catalog.create_file_batch(store_id, named(file_id))
    outdated = corpus.claim()
    corpus.catalog.create_file_batch(store_id, named(file_id, chunking=chunking))
    with pytest.raises(LostLeaseError):
        corpus.complete(outdated, ["words"])
    assert (corpus.claim().chunking, corpus.catalog.claim_job("a", 60)) == (chunking, None)


def test_a_file_named_twice_counts_once_unless_it_is_named_in_two_ways(corpus, store_id):
    file_id = corpus.upload()
    batch = corpus.catalog.create_file_batch(store_id, named(file_id, file_id))
    assert batch.file_counts.total == 1
    with pytest.raises(InvalidFileBatchError, match=f"'{file_id}' is named twice"):
        corpus.catalog.create_file_batch(
            store_id, [*named(file_id), *named(file_id, attributes={"a": 1})]
        )


@pytest.fixture
def uploads(corpus):
    """Makes so many uploads in one transaction; gives their ids."""
    row = {"filename": "a.md", "purpose": "assistants", "status": "processed", "num_bytes": 1}
    row |= {"sha256": "", "created_at": 1, "content": b"x"}

    def make(count):
        file_ids = [f"file-{number}-of-{count}" for number in range(count)]
        with corpus.catalog._write() as connection:
            connection.execute(schema.files.insert(), [{"id": id, **row} for id in file_ids])
        return file_ids

    return make


def test_a_store_with_many_files_needs_no_more_statements_than_one_with_one(corpus, uploads):
    def statements_of(count):
        file_ids = uploads(count)
        with counted_statements(corpus.catalog) as seen:
            store = corpus.catalog.create_store(name="docs", file_ids=file_ids)
        assert store.file_counts == FileCounts(in_progress=count)
        return len(seen)

    assert statements_of(1) == statements_of(500)
    assert num_rows(corpus.catalog, schema.jobs) == 501


def test_a_search_of_many_stores_needs_no_more_statements_than_of_one(corpus):
    named = [corpus.store("docs"), corpus.store("other"), "docs", "other"]

    def statements_of(stores):
        with counted_statements(corpus.catalog) as seen:
            corpus.catalog.open_stores(stores)
        return len(seen)

    assert statements_of(named[:1]) == statements_of(named) == statements_of(None)


def test_the_largest_batch_needs_no_more_statements_than_the_smallest(corpus, store_id, uploads):
    def statements_of(count):
        file_ids = uploads(count)
        with counted_statements(corpus.catalog) as seen:
            for attributes in ({"a": 1}, {"b": 2}):
                files = named(*file_ids, attributes=attributes)
                batch = corpus.catalog.create_file_batch(store_id, files)
                assert batch.file_counts == FileCounts(in_progress=count)
            cancelled = corpus.catalog.cancel_file_batch(store_id, batch.id)
        assert cancelled.file_counts == FileCounts(cancelled=count)
        return len(seen)

    assert statements_of(1) == statements_of(MAX_BATCH_FILES)
    assert num_rows(corpus.catalog, schema.jobs) == 0
