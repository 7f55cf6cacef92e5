"""The worker with a real catalog and sandbox; what it does to files is in test_ingester.py."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from index import ingestion
from index.access import Viewer
from index.chunk import Cutting
from index.errors import EmbedderUnavailableError, LostLeaseError
from index.ingestion import Ingestion
from index.parsing.parse_limits import ParseLimits
from index.records import Chunking

CUTTING = Cutting(chunking=Chunking(max_chunk_tokens=50), limits=ParseLimits())


class FakeEmbedder:
    """Every text is the same vector; `on_embed` is done first, and may raise."""

    def __init__(self, spans):
        self._spans = spans
        self.on_embed = lambda: None

    def token_spans(self, _wanted):
        return self._spans

    def fingerprint(self, wanted):
        return wanted or "ones@1"

    def embed(self, texts, fingerprint):
        self.on_embed()
        yield SimpleNamespace(vectors=np.ones((len(texts), 1), np.float32), fingerprint=fingerprint)


@pytest.fixture
def embedder(word_spans):
    return FakeEmbedder(word_spans)


@pytest.fixture
def worker(catalog, embedder):
    worker = Ingestion(catalog, embedder, name="worker", cutting=CUTTING)
    yield worker
    worker.close()


@pytest.fixture
def put(corpus):
    store_id = corpus.store()

    def put():
        """A file to be indexed; gives how it is read."""
        file_id = corpus.upload("a.md")
        corpus.catalog.attach_file(store_id, file_id)
        return lambda: corpus.catalog.get_store_file(store_id, file_id)

    return put


def until(is_true):
    ends = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_a_file_that_is_put_is_indexed(worker, put):
    worker.start()
    record = put()
    worker.wake()
    until(lambda: record().status == "completed")
    worker.check()


def test_work_for_an_embedder_that_is_away_waits_for_the_lease_and_is_done_then(
    worker, embedder, put, clock
):
    was_asked = threading.Event()

    def on_embed():
        if not was_asked.is_set():
            was_asked.set()
            raise EmbedderUnavailableError("no replica")

    embedder.on_embed = on_embed
    record = put()
    worker.start()
    assert was_asked.wait(60)
    time.sleep(3 * ingestion.IDLE_S)
    assert record().status == "in_progress"
    clock.now += ingestion.LEASE_S
    until(lambda: record().status == "completed")


def test_a_result_that_comes_after_the_lease_was_lost_is_dropped(
    worker, embedder, put, corpus, clock
):
    taken = []

    def on_embed():
        clock.now += ingestion.LEASE_S
        taken.append(corpus.claim("other"))
        embedder.on_embed = lambda: None

    embedder.on_embed = on_embed
    record, later = put(), None
    worker.start()
    until(lambda: taken)
    later = put()
    worker.wake()
    until(lambda: later().status == "completed")
    assert record().status == "in_progress"
    corpus.complete(taken[0], ["words"], np.ones((1, 1), np.float32), "ones@1")
    assert record().status == "completed"


def test_a_lease_is_renewed_as_long_as_the_work_takes(
    worker, embedder, put, corpus, clock, monkeypatch
):
    monkeypatch.setattr(ingestion, "LEASE_S", 0.3)
    renew, renewed_at, outlived = corpus.catalog.renew_job, [0.0], threading.Event()

    def renew_job(job, lease_s):
        began = clock.now
        is_held = renew(job, lease_s)
        renewed_at.append(began)
        return is_held

    def on_embed():
        clock.now += 0.2
        until(lambda: renewed_at[-1] == clock.now)  # the lease now ends 0.3 after that
        clock.now += 0.2
        assert corpus.catalog.claim_job("other", 60) is None
        outlived.set()

    monkeypatch.setattr(corpus.catalog, "renew_job", renew_job)
    embedder.on_embed = on_embed
    record = put()
    worker.start()
    until(lambda: record().status == "completed")
    assert outlived.is_set()


def test_an_error_that_nobody_foresaw_fails_its_file_alone_and_keeps_its_words(
    worker, embedder, put
):
    def on_embed():
        embedder.on_embed = lambda: None
        raise RuntimeError("/models/secret")

    embedder.on_embed = on_embed
    bad, good = put(), put()
    worker.start()
    until(lambda: good().status == "completed")
    assert (bad().status, bad().error_code) == ("failed", "server_error")
    assert bad().error_message == "internal error, see the logs"
    worker.check()


def test_a_worker_that_has_ended_says_why(worker, catalog, monkeypatch):
    def claim_job(_worker, _lease_s):
        raise LostLeaseError("what claim_job never raises")

    monkeypatch.setattr(catalog, "claim_job", claim_job)
    worker.start()

    def has_ended():
        try:
            worker.check()
        except LostLeaseError:
            return True
        return False

    until(has_ended)


def test_a_file_whose_passages_the_tenant_may_not_store_fails_with_the_reason(worker, corpus):
    seen = corpus.catalog.seen_by(Viewer(most_passages=1))
    store_id, files = corpus.store(), [corpus.upload("a.md"), corpus.upload("b.md")]
    for file_id in files:
        seen.attach_file(store_id, file_id)
    worker.start()

    def statuses():
        return [seen.get_store_file(store_id, one).status for one in files]

    until(lambda: "in_progress" not in statuses())
    assert statuses() == ["completed", "failed"]
    failed = seen.get_store_file(store_id, files[1])
    assert failed.error_code == "invalid_file"
    assert "at most 1 passages together, got 1 + 1" in failed.error_message
