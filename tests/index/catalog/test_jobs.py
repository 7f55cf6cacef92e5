import subprocess
import sys
from pathlib import Path

import pytest

from index.catalog.catalog import Catalog
from index.catalog.jobs import MAX_ATTEMPTS
from index.errors import FingerprintMismatchError, LostLeaseError
from index.records import Chunking

ROOT = Path(__file__).parents[3]
CLAIM_AND_HANG = """
import sys
from index.catalog.catalog import Catalog

job = Catalog(sys.argv[1]).claim_job("the one that dies", 0.5)
print(job.attempt, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def attached(corpus):
    """A store and a file in it that waits to be indexed."""
    store_id, file_id = corpus.store(), corpus.upload()
    corpus.catalog.attach_file(store_id, file_id)
    return store_id, file_id


def test_a_claimed_job_is_handed_out_once(corpus, attached):
    job = corpus.claim("a")
    assert (job.store_id, job.file_id) == attached
    assert (job.filename, job.worker, job.attempt) == ("handbook.md", "a", 1)
    assert corpus.catalog.claim_job("b", 60) is None


def test_jobs_are_handed_out_in_the_order_of_attachment(corpus):
    files = [corpus.upload() for _ in range(3)]
    corpus.catalog.create_store(name="docs", file_ids=files)
    assert [corpus.claim().file_id for _ in files] == files


def test_a_job_brings_the_chunking_of_its_file_else_of_its_store(corpus):
    of_store, of_file = Chunking(max_chunk_tokens=50), Chunking(max_chunk_tokens=60)
    store = corpus.catalog.create_store(name="docs", chunking=of_store)
    corpus.catalog.attach_file(store.id, corpus.upload())
    corpus.catalog.attach_file(store.id, corpus.upload(), chunking=of_file)
    assert [corpus.claim().chunking, corpus.claim().chunking] == [of_store, of_file]


def test_a_lease_that_ran_out_is_taken_over_and_its_old_holder_refused(corpus, clock, attached):
    old = corpus.claim("a", lease_s=60)
    clock.now += 60
    new = corpus.claim("b", lease_s=60)
    assert (new.id, new.attempt) == (old.id, 2)
    assert not corpus.catalog.renew_job(old, 60)
    with pytest.raises(LostLeaseError, match="attempt 2 of 'b', not at attempt 1 of 'a'"):
        corpus.complete(old, ["late"])
    with pytest.raises(LostLeaseError):
        corpus.catalog.fail_job(old, "server_error", "late")
    corpus.complete(new, ["in time"])
    assert corpus.catalog.store_file_text(*attached) == ("in time",)


def test_a_renewed_lease_is_not_taken_over(corpus, clock, attached):
    job = corpus.claim("a", lease_s=60)
    clock.now += 59
    assert corpus.catalog.renew_job(job, 60)
    clock.now += 59
    assert corpus.catalog.claim_job("b", 60) is None


def test_a_job_is_completed_once(corpus, attached):
    job = corpus.claim()
    corpus.complete(job, ["words"])
    with pytest.raises(LostLeaseError, match="finished or deleted"):
        corpus.complete(job, ["words"])
    assert corpus.catalog.store_file_text(*attached) == ("words",)


@pytest.mark.parametrize("how", ["detach", "delete_file", "delete_store"])
def test_a_delete_wins_over_a_late_completion(corpus, attached, how):
    job = corpus.claim()
    match how:
        case "detach":
            corpus.catalog.detach_file(*attached)
        case "delete_file":
            corpus.catalog.delete_file(attached[1])
        case "delete_store":
            corpus.catalog.delete_store(attached[0])
    with pytest.raises(LostLeaseError):
        corpus.complete(job, ["late"])
    assert all(change.kind == "delete" for change in corpus.catalog.changes_since(0))


def test_a_completion_for_a_file_that_was_detached_and_attached_again_is_refused(corpus, attached):
    old = corpus.claim()
    corpus.catalog.detach_file(*attached)
    corpus.catalog.attach_file(*attached)
    with pytest.raises(LostLeaseError):
        corpus.complete(old, ["late"])
    assert corpus.claim().id != old.id


def test_a_file_that_takes_every_worker_down_is_given_up(corpus, clock, attached):
    for _ in range(MAX_ATTEMPTS):
        corpus.claim()
        clock.now += 60
    assert corpus.catalog.claim_job("a", 60) is None
    record = corpus.catalog.get_store_file(*attached)
    assert (record.status, record.error_code) == ("failed", "server_error")
    assert "given up: 5 workers" in (record.error_message or "")


def test_vectors_of_another_embedder_are_refused_and_change_nothing(corpus, vectors_of, attached):
    corpus.complete(corpus.claim(), ["words"])
    corpus.catalog.attach_file(attached[0], corpus.upload())
    job = corpus.claim()
    with pytest.raises(FingerprintMismatchError, match="got 'other', dimension 8"):
        corpus.complete(job, ["words"], fingerprint="other")
    with pytest.raises(FingerprintMismatchError, match="got 'words@1', dimension 4"):
        corpus.complete(job, ["words"], vectors_of(1, dim=4))
    assert corpus.catalog.head() == 1
    assert corpus.catalog.get_store_file(job.store_id, job.file_id).status == "in_progress"


def test_a_store_that_was_emptied_takes_another_embedder(corpus, vectors_of, attached):
    corpus.complete(corpus.claim(), ["words"])
    corpus.catalog.detach_file(*attached)
    corpus.catalog.attach_file(*attached)
    corpus.complete(corpus.claim(), ["words"], vectors_of(1, dim=4), fingerprint="other")
    assert corpus.catalog.get_store(attached[0]).fingerprint == "other"


def test_as_many_vectors_as_passages_are_needed(corpus, vectors_of, attached):
    with pytest.raises(ValueError, match="1 drafts need as many vectors"):
        corpus.complete(corpus.claim(), ["words"], vectors_of(2))


def test_a_document_without_passages_completes(corpus, attached):
    corpus.complete(corpus.claim(), [])
    assert corpus.catalog.get_store_file(*attached).status == "completed"


def test_the_job_of_a_killed_process_is_taken_over(corpus, url, attached):
    dying = subprocess.Popen(
        [sys.executable, "-c", CLAIM_AND_HANG, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert dying.stdout.readline() == "1\n"
    dying.kill()
    dying.communicate()
    assert dying.returncode == -9
    survivor = Catalog(url)  # with the real clock, as the process had
    while (job := survivor.claim_job("the next", 60)) is None:
        continue
    assert (job.file_id, job.attempt) == (attached[1], 2)
    corpus.complete(job, ["words"])
    assert survivor.store_file_text(*attached) == ("words",)
    survivor.close()


def test_a_message_that_no_database_can_hold_is_kept_as_well_as_it_can_be(corpus, attached):
    corpus.catalog.fail_job(corpus.claim(), "invalid_file", "bad name: a\0b\ud800")
    assert corpus.catalog.get_store_file(*attached).error_message == "bad name: a\ufffdb\ufffd"
