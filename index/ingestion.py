"""From the jobs of the catalog to passages: one worker, one job at a time.

claim_job ----> read ----> parse ----> cut ----> embed what is new ----> complete_job
|             '------- the lease is renewed beside it; lost: dropped -------'
|                          |
'-- none: sleeps           '-- a fault of the file, or ours: fail_job
until woken                 the database or the embedder is away: left to its lease,
then claimed again, here or elsewhere
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from index.access import Viewer
from index.catalog.catalog import Catalog
from index.chunk import Cutting, TokenSpans, cut_file
from index.errors import (
    CorpusError,
    CorpusUnavailableError,
    EmbedderUnavailableError,
    FingerprintMismatchError,
    InvalidFileError,
    LostLeaseError,
    SandboxError,
    StoredLimitError,
    UnknownFileError,
    UnknownStoreError,
    UnsupportedFileError,
)
from index.parsing.parse import check_size
from index.parsing.sandbox import Sandbox
from index.records import IngestErrorCode, Job
from index.reuse import Embeds, embed_new

logger = logging.getLogger(__name__)

LEASE_S = 30.0
IDLE_S = 0.25  # between two looks for jobs that other workers left behind
# No fault of the document: its job is left to the lease and claimed again after that.
_PASSING = (CorpusUnavailableError, SandboxError, EmbedderUnavailableError)
# Somebody else does the job, or nobody needs it any more.
_DROPPED = (LostLeaseError, UnknownFileError, UnknownStoreError)
_INTERNAL = "internal error, see the logs"


class StoreEmbedder(Embeds, Protocol):
    """An embedder that has the models of the stores. `wanted`: a store's own; None for an empty."""

    def token_spans(self, wanted: str | None) -> TokenSpans:
        """Gives the tokenizer of the wanted model if it is there, else of the main one."""
        ...

    def fingerprint(self, wanted: str | None) -> str:
        """Names the model that `token_spans` is of."""
        ...


class Ingestion:
    """Works off the jobs of a catalog, on a thread of its own.

    It ends by an error of its own alone, which `check` raises: whatever becomes of a job must not
    stop it, since all other files wait for it.

    Attributes:
        cutting: how the next documents are read and cut.
    """

    def __init__(
        self, catalog: Catalog, embedder: StoreEmbedder, *, name: str, cutting: Cutting
    ) -> None:
        self.cutting = cutting
        self._catalog = catalog
        self._embedder = embedder
        self._name = name
        self._sandbox = Sandbox()
        self._is_closed = False
        self._failure: BaseException | None = None
        self._work = threading.Event()
        # A daemon: at the end of the process nobody waits for a document that takes minutes.
        self._thread = threading.Thread(target=self._run, name="ingestion", daemon=True)

    def start(self) -> None:
        """Begins to work."""
        self._thread.start()

    def wake(self) -> None:
        """Tells that there may be a job."""
        self._work.set()

    def check(self) -> None:
        """Raises what has ended the work, if anything has."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """Ends the work after the job at hand."""
        self._is_closed = True
        self.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._sandbox.close()

    def _run(self) -> None:
        try:
            while not self._is_closed:
                self._work.clear()
                job = self._claim()
                if job is None:
                    # A job of another worker may run out of its lease without a call to this one.
                    self._work.wait(IDLE_S)
                else:
                    self._ingest(job)
        except BaseException as err:
            logger.exception("ingestion ended")
            self._failure = err

    def _claim(self) -> Job | None:
        try:
            return self._catalog.claim_job(self._name, LEASE_S)
        except CorpusUnavailableError as err:
            logger.warning("no jobs to be had: %s", err)
            return None

    def _ingest(self, job: Job) -> None:
        """Does one job, whatever becomes of it."""
        with self._kept_lease(job):
            try:
                num_passages = self._commit_passages(job)
                logger.info("ingested file_id=%s num_passages=%d", job.file_id, num_passages)
            except _DROPPED:
                logger.info("job dropped, taken over or file deleted, file_id=%s", job.file_id)
            except UnsupportedFileError as err:
                self._fail(job, "unsupported_file", str(err))
            except (InvalidFileError, StoredLimitError) as err:
                self._fail(job, "invalid_file", str(err))
            except _PASSING as err:
                logger.warning("job left to its lease, file_id=%s: %s", job.file_id, err)
            except Exception as err:
                logger.exception("ingestion failed file_id=%s", job.file_id)
                is_ours = isinstance(err, CorpusError)  # else its words are for the logs alone
                self._fail(job, "server_error", str(err) if is_ours else _INTERNAL)

    def _commit_passages(self, job: Job) -> int:
        seen = self._catalog.seen_by(Viewer(tenant=job.tenant))
        record, limits = seen.get_file(job.file_id), self.cutting.limits
        check_size(record.filename, record.num_bytes, limits)
        data = seen.file_content(job.file_id)
        document = self._sandbox.parse(job.filename, data, limits)
        chunking = job.chunking or self.cutting.chunking
        while True:
            wanted = self._catalog.embedder_of(job.store_id)
            drafts = cut_file(job.filename, document, chunking, self._embedder.token_spans(wanted))
            fingerprint = self._embedder.fingerprint(wanted)
            made = embed_new(drafts, fingerprint, self._catalog.known_vectors, self._embedder)
            try:
                self._catalog.complete_job(job, drafts, made.vectors, made.fingerprint)
            except FingerprintMismatchError:
                if self._catalog.embedder_of(job.store_id) == wanted:
                    raise
                # The store has got another embedder meanwhile.
            else:
                return len(drafts)

    def _fail(self, job: Job, code: IngestErrorCode, message: str) -> None:
        try:
            self._catalog.fail_job(job, code, message)
        except (LostLeaseError, CorpusUnavailableError):
            logger.info("lease lost file_id=%s", job.file_id)

    @contextmanager
    def _kept_lease(self, job: Job) -> Iterator[None]:
        """Renews the lease while the block runs."""
        is_done = threading.Event()

        def renew() -> None:
            while not is_done.wait(LEASE_S / 3):
                with suppress(CorpusUnavailableError):
                    if not self._catalog.renew_job(job, LEASE_S):
                        return

        threading.Thread(target=renew, name="lease", daemon=True).start()
        try:
            yield
        finally:
            is_done.set()
