"""Batches in the catalog: leased work, one result a line, files in the end; on both databases."""

import pytest

from index.catalog.batches.records import BatchFault, LineResult, NewBatch
from index.catalog.catalog import Catalog
from index.errors import (
    EndedBatchError,
    InvalidAttributesError,
    LostLeaseError,
    UnknownBatchError,
    UnknownCursorError,
)

TENANT = "default"


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def catalog(url, clock):
    catalog = Catalog(url, clock)
    yield catalog
    catalog.close()


def new_batch(**changes):
    asked = {"endpoint": "/v1/embeddings", "input_file_id": "file-1", "window_s": 86_400}
    return NewBatch(**{"tenant": TENANT, "key_id": "k", "metadata": {"a": "b"}, **asked, **changes})


def result(number, *, is_error=False, **more):
    return LineResult(number=number, is_error=is_error, data=f'{{"line": {number}}}', **more)


@pytest.fixture
def run(catalog):
    """A batch of three lines that is worked on."""
    catalog.create_batch(new_batch())
    return catalog.begin_batch(catalog.claim_batch("one", 10), num_total=3, model="m")


def content(catalog, file_id):
    return catalog.file_content(file_id).decode().splitlines()


def test_a_batch_waits_is_worked_on_and_ends_with_two_files(catalog, clock, run):
    assert (run.status, run.num_total, run.model) == ("in_progress", 3, "m")
    kept = catalog.keep_batch(
        run, [result(3, num_input_tokens=4, num_output_tokens=2), result(2, is_error=True)], 10
    )
    assert (kept.num_completed, kept.num_failed) == (1, 1)
    catalog.keep_batch(run, [result(1)], 10)
    clock.now += 5
    catalog.finish_batch(run, "completed")
    ended = catalog.get_batch(TENANT, run.id)
    assert ended.status == "completed"
    assert ended.times == {"in_progress": 1000, "finalizing": 1005, "completed": 1005}
    assert (ended.num_completed, ended.num_failed, ended.num_input_tokens) == (2, 1, 4)
    assert content(catalog, ended.output_file_id) == ['{"line": 1}', '{"line": 3}']
    assert content(catalog, ended.error_file_id) == ['{"line": 2}']
    file = catalog.get_file(ended.output_file_id)
    assert (file.filename, file.purpose) == (f"{run.id}_output.jsonl", "batch_output")
    assert file.access == "|key:k|"  # also of a key that sees all: others of its tenant may not


def test_a_line_keeps_its_first_result(catalog, run):
    catalog.keep_batch(run, [result(1)], 10)
    again = catalog.keep_batch(run, [result(1, is_error=True), result(2)], 10)
    assert (again.num_completed, again.num_failed) == (2, 0)
    assert catalog.batch_progress(run).numbers == {1, 2}
    assert catalog.batch_progress(run).num_bytes == 2 * len('{"line": 1}')


def test_what_was_never_asked_is_told_but_not_counted(catalog, run):
    kept = catalog.keep_batch(run, [result(1, is_error=True, is_left=True)], 10)
    assert (kept.num_completed, kept.num_failed) == (0, 0)
    assert catalog.batch_progress(run).numbers == {1}


def test_a_batch_is_taken_over_when_its_lease_runs_out_and_the_late_one_is_refused(
    catalog, clock, run
):
    catalog.keep_batch(run, [result(1)], 10)
    assert catalog.claim_batch("two", 10) is None
    clock.now += 11
    taken = catalog.claim_batch("two", 10)
    assert (taken.id, taken.attempt) == (run.id, 2)
    assert catalog.batch_progress(taken).numbers == {1}
    for late in (
        lambda: catalog.keep_batch(run, [result(2)], 10),
        lambda: catalog.finish_batch(run, "completed"),
        lambda: catalog.begin_batch(run, num_total=3, model=None),
    ):
        with pytest.raises(LostLeaseError):
            late()
    catalog.finish_batch(taken, "completed")
    with pytest.raises(LostLeaseError):
        catalog.finish_batch(taken, "completed")
    assert len(catalog.list_files(purpose="batch_output").items) == 1


def test_a_batch_is_cancelled_by_whoever_works_on_it(catalog, clock, run):
    assert catalog.cancel_batch(TENANT, run.id).status == "cancelling"
    assert catalog.keep_batch(run, [result(1)], 10).status == "cancelling"
    catalog.finish_batch(run, "cancelled")
    clock.now += 1
    ended = catalog.cancel_batch(TENANT, run.id)
    assert ended.times["cancelling"] == ended.times["cancelled"] == 1000
    assert (ended.status, ended.error_file_id) == ("cancelled", None)


def test_one_that_was_cancelled_before_it_began_stays_so(catalog):
    batch = catalog.create_batch(new_batch())
    run = catalog.claim_batch("one", 10)
    catalog.cancel_batch(TENANT, batch.id)
    assert catalog.begin_batch(run, num_total=1, model=None).status == "cancelling"


def test_one_that_has_ended_is_not_cancelled(catalog, run):
    fault = BatchFault(code="empty_file", message="no lines", line=3)
    catalog.finish_batch(run, "failed", [fault])
    ended = catalog.get_batch(TENANT, run.id)
    assert (ended.faults, ended.output_file_id, ended.times["failed"]) == ((fault,), None, 1000)
    with pytest.raises(EndedBatchError, match="status 'failed'"):
        catalog.cancel_batch(TENANT, run.id)
    assert catalog.claim_batch("two", 10) is None


def test_the_files_of_a_batch_may_expire(catalog, clock):
    catalog.create_batch(new_batch(output_life_s=3600))
    run = catalog.claim_batch("one", 10)
    catalog.keep_batch(run, [result(1)], 10)
    clock.now += 5
    catalog.finish_batch(run, "completed")
    file_id = catalog.get_batch(TENANT, run.id).output_file_id
    assert catalog.get_file(file_id).expires_at == 1005 + 3600


def test_batches_are_listed_newest_first_and_by_tenant(catalog):
    ids = [catalog.create_batch(new_batch()).id for _ in range(3)]
    other = catalog.create_batch(new_batch(tenant="other")).id
    page = catalog.list_batches(TENANT, limit=2)
    assert ([one.id for one in page.items], page.has_more) == (ids[:0:-1], True)
    rest = catalog.list_batches(TENANT, limit=2, after=ids[1])
    assert ([one.id for one in rest.items], rest.has_more) == (ids[:1], False)
    with pytest.raises(UnknownCursorError):
        catalog.list_batches(TENANT, after=other)
    for call in (catalog.get_batch, catalog.cancel_batch):
        for name in (other, "batch_\x00"):
            with pytest.raises(UnknownBatchError):
                call(TENANT, name)


def test_bad_metadata_is_refused(catalog):
    with pytest.raises(InvalidAttributesError):
        catalog.create_batch(new_batch(metadata={"a": "b" * 513}))
