from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from index.catalog import schema
from index.errors import (
    InvalidAttributesError,
    InvalidFileBatchError,
    LostLeaseError,
    UnknownCursorError,
    UnknownFileBatchError,
    UnknownStoreError,
)
from index.records import MAX_BATCH_FILES, Attachment, Chunking, FileCounts


def named(*file_ids, **options):
    return [Attachment(file_id=file_id, **options) for file_id in file_ids]


def num_rows(catalog, table):
    with catalog._read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


@pytest.fixture
def store_id(corpus):
    return corpus.store()


@pytest.fixture
def make_batch(corpus, store_id):
    """Uploads so many files and attaches them in one batch."""

    def make(count=3, **options):
        file_ids = [corpus.upload() for _ in range(count)]
        batch = corpus.catalog.create_file_batch(store_id, named(*file_ids, **options))
        return batch, file_ids

    return make


def test_all_files_of_a_batch_wait_for_their_jobs_in_order(corpus, clock, store_id, make_batch):
    batch, file_ids = make_batch(3)
    assert (batch.status, batch.file_counts) == ("in_progress", FileCounts(in_progress=3))
    assert (batch.store_id, batch.created_at) == (store_id, clock.now)
    assert batch.id.startswith("vsfb_")
    assert corpus.catalog.get_file_batch(store_id, batch.id) == batch
    assert [corpus.claim().file_id for _ in file_ids] == file_ids
    assert corpus.catalog.claim_job("a", 60) is None


def test_each_file_keeps_its_own_attributes_and_chunking(corpus, store_id):
    first, second = corpus.upload(), corpus.upload()
    chunking = Chunking(max_chunk_tokens=100)
    files = [*named(first, attributes={"year": 2024}), *named(second, chunking=chunking)]
    batch = corpus.catalog.create_file_batch(store_id, files)
    page = corpus.catalog.list_batch_files(store_id, batch.id, order="asc")
    assert [(file.file_id, file.attributes, file.chunking) for file in page.items] == [
        (first, {"year": 2024}, None),
        (second, {}, chunking),
    ]


@pytest.mark.parametrize(
    ("num_completed", "num_failed", "status"),
    [
        (0, 0, "in_progress"),
        (1, 1, "in_progress"),
        (2, 0, "completed"),
        (1, 1, "completed"),
        (0, 2, "failed"),
    ],
)
def test_the_status_follows_from_the_files(
    corpus, store_id, make_batch, num_completed, num_failed, status
):
    num_waiting = 1 if status == "in_progress" else 0
    batch, _ = make_batch(num_completed + num_failed + num_waiting)
    for _ in range(num_completed):
        corpus.complete(corpus.claim(), ["words"])
    for _ in range(num_failed):
        corpus.catalog.fail_job(corpus.claim(), "invalid_file", "no text")
    batch = corpus.catalog.get_file_batch(store_id, batch.id)
    counts = FileCounts(in_progress=num_waiting, completed=num_completed, failed=num_failed)
    assert (batch.status, batch.file_counts) == (status, counts)


def test_cancelling_stops_what_is_not_indexed_and_keeps_the_rest(corpus, store_id, make_batch):
    batch, (done, *stopped) = make_batch(3)
    corpus.complete(corpus.claim(), ["words"])
    cancelled = corpus.catalog.cancel_file_batch(store_id, batch.id)
    assert (cancelled.status, cancelled.file_counts) == (
        "cancelled",
        FileCounts(completed=1, cancelled=2),
    )
    assert corpus.catalog.get_file_batch(store_id, batch.id) == cancelled
    page = corpus.catalog.list_batch_files(store_id, batch.id, order="asc", status="cancelled")
    assert [(file.file_id, file.error_code) for file in page.items] == [
        (id, None) for id in stopped
    ]
    assert corpus.catalog.store_file_text(store_id, done) == ("words",)
    assert corpus.catalog.claim_job("a", 60) is None
    assert corpus.catalog.cancel_file_batch(store_id, batch.id) == cancelled


def test_a_late_completion_of_a_cancelled_file_changes_nothing(corpus, store_id, make_batch):
    batch, (file_id,) = make_batch(1)
    job = corpus.claim()
    cancelled = corpus.catalog.cancel_file_batch(store_id, batch.id)
    assert not corpus.catalog.renew_job(job, 60)
    with pytest.raises(LostLeaseError, match="deleted"):
        corpus.complete(job, ["words"])
    with pytest.raises(LostLeaseError, match="deleted"):
        corpus.catalog.fail_job(job, "server_error", "late")
    assert corpus.catalog.get_file_batch(store_id, batch.id) == cancelled
    assert corpus.catalog.store_file_text(store_id, file_id) == ()
    assert corpus.catalog.head() == 0


def test_cancelling_leaves_other_batches_and_stores_alone(corpus, store_id, make_batch):
    batch, file_ids = make_batch(1)
    other, _ = make_batch(1)
    elsewhere = corpus.store()
    same_files = corpus.catalog.create_file_batch(elsewhere, named(*file_ids))
    corpus.catalog.cancel_file_batch(store_id, batch.id)
    assert corpus.catalog.get_file_batch(store_id, other.id).status == "in_progress"
    assert corpus.catalog.get_file_batch(elsewhere, same_files.id).status == "in_progress"
    assert {corpus.claim().store_id, corpus.claim().store_id} == {store_id, elsewhere}


def test_passages_of_an_earlier_success_outlive_a_cancellation(corpus, store_id):
    file_id = corpus.add(store_id, ["one two"])
    again = named(file_id, chunking=Chunking(max_chunk_tokens=1))
    batch = corpus.catalog.create_file_batch(store_id, again)
    assert corpus.catalog.cancel_file_batch(store_id, batch.id).status == "cancelled"
    assert corpus.catalog.store_file_text(store_id, file_id) == ("one two",)


def test_a_cancelled_file_is_indexed_when_it_is_attached_again(corpus, store_id, make_batch):
    batch, file_ids = make_batch(2)
    corpus.catalog.cancel_file_batch(store_id, batch.id)
    assert corpus.catalog.attach_file(store_id, file_ids[0]).status == "in_progress"
    newer = corpus.catalog.create_file_batch(store_id, named(file_ids[1]))
    assert newer.status == "in_progress"
    assert [corpus.claim().file_id for _ in range(2)] == file_ids
    older = corpus.catalog.get_file_batch(store_id, batch.id)
    assert (older.status, older.file_counts.total) == ("cancelled", 0)


def test_a_file_belongs_to_the_newest_batch_and_is_not_indexed_twice(corpus, store_id, make_batch):
    older, file_ids = make_batch(2)
    corpus.complete(corpus.claim(), ["words"])
    newer = corpus.catalog.create_file_batch(store_id, named(*file_ids))
    assert newer.file_counts == FileCounts(completed=1, in_progress=1)
    assert corpus.catalog.list_batch_files(store_id, older.id).items == ()
    assert corpus.catalog.cancel_file_batch(store_id, older.id).status == "completed"
    corpus.complete(corpus.claim(), ["words"])
    assert corpus.catalog.get_file_batch(store_id, newer.id).file_counts == FileCounts(completed=2)
    assert corpus.catalog.claim_job("a", 60) is None


def test_a_file_attached_by_itself_leaves_its_batch(corpus, store_id, make_batch):
    batch, (first, second) = make_batch(2)
    corpus.catalog.attach_file(store_id, first)
    left = corpus.catalog.cancel_file_batch(store_id, batch.id)
    assert left.file_counts == FileCounts(cancelled=1)
    assert corpus.catalog.get_store_file(store_id, first).status == "in_progress"
    assert corpus.catalog.get_store_file(store_id, second).status == "cancelled"


def test_the_files_of_a_batch_are_listed_by_page(corpus, store_id, make_batch):
    batch, file_ids = make_batch(3)
    _, others = make_batch(1)
    page = corpus.catalog.list_batch_files(store_id, batch.id, limit=2)
    assert ([file.file_id for file in page.items], page.has_more) == (
        [file_ids[2], file_ids[1]],
        True,
    )
    rest = corpus.catalog.list_batch_files(store_id, batch.id, after=file_ids[1])
    assert ([file.file_id for file in rest.items], rest.has_more) == ([file_ids[0]], False)
    with pytest.raises(UnknownCursorError, match=others[0]):
        corpus.catalog.list_batch_files(store_id, batch.id, after=others[0])


@pytest.mark.parametrize("count", [0, MAX_BATCH_FILES + 1])
def test_a_batch_has_a_least_and_a_most(catalog, store_id, count):
    with pytest.raises(InvalidFileBatchError, match=rf"1\.\.2000 files, got {count}$"):
        catalog.create_file_batch(store_id, named(*map(str, range(count))))


def test_attributes_are_checked_before_anything_is_attached(corpus, store_id):
    files = [*named(corpus.upload()), *named(corpus.upload(), attributes={"k": "v" * 513})]
    with pytest.raises(InvalidAttributesError, match="'k'"):
        corpus.catalog.create_file_batch(store_id, files)
    assert corpus.catalog.list_store_files(store_id).items == ()


def test_what_is_missing_is_named(corpus, store_id, make_batch):
    batch, file_ids = make_batch(1)
    with pytest.raises(UnknownStoreError, match="vs_none"):
        corpus.catalog.create_file_batch("vs_none", named(*file_ids))
    for call in (
        corpus.catalog.get_file_batch,
        corpus.catalog.list_batch_files,
        corpus.catalog.cancel_file_batch,
    ):
        with pytest.raises(UnknownStoreError, match="vs_none"):
            call("vs_none", batch.id)
        with pytest.raises(UnknownFileBatchError, match="vsfb_none"):
            call(store_id, "vsfb_none")
        with pytest.raises(UnknownFileBatchError):
            call(store_id, "\0")
        with pytest.raises(UnknownFileBatchError, match=batch.id):  # it is of another store
            call(corpus.store(), batch.id)


def test_a_batch_goes_with_its_store_and_forgets_files_that_go(corpus, store_id, make_batch):
    batch, (detached, deleted, _) = make_batch(3)
    corpus.catalog.detach_file(store_id, detached)
    corpus.catalog.delete_file(deleted)
    assert corpus.catalog.get_file_batch(store_id, batch.id).file_counts.total == 1
    corpus.catalog.delete_store(store_id)
    with pytest.raises(UnknownStoreError):
        corpus.catalog.get_file_batch(store_id, batch.id)
    for table in (schema.file_batches, schema.store_files, schema.jobs):
        assert num_rows(corpus.catalog, table) == 0


def test_workers_beside_a_cancellation_complete_a_file_or_lose_it(corpus, store_id, make_batch):
    batch, _ = make_batch(24)

    def work(worker):
        num_completed = num_lost = 0
        while (job := corpus.catalog.claim_job(worker, 60)) is not None:
            try:
                corpus.complete(job, [f"words of {job.file_id}"])
                num_completed += 1
            except LostLeaseError:
                num_lost += 1
        return num_completed, num_lost

    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, name) for name in "abc"]
        while corpus.catalog.get_file_batch(store_id, batch.id).file_counts.completed < 3:
            assert not all(worker.done() for worker in workers)
        cancelled = corpus.catalog.cancel_file_batch(store_id, batch.id)
        num_completed = sum(worker.result()[0] for worker in workers)
    counts = corpus.catalog.get_file_batch(store_id, batch.id).file_counts
    assert counts == cancelled.file_counts
    assert counts == FileCounts(completed=num_completed, cancelled=24 - num_completed)
    assert cancelled.status == ("cancelled" if counts.cancelled else "completed")
    assert corpus.catalog.head() == num_completed
    assert num_rows(corpus.catalog, schema.jobs) == 0
