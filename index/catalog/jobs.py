"""Ingestion as leased rows: whoever holds the lease does the work; who lost it is refused.

    attach                claim                     complete / fail
      |   +----------+  attempt += 1  +----------+        |
      '-> |   free   | -------------> |  leased  | -------'-> no row; the outcome is in store_files
          +----------+ <------------- +----------+
                        lease ran out   | renew: the same attempt, a later end
                                        '- attempt 5 ran out as well: given up, failed

A worker that dies lets its lease run out, and the next claim takes the job over. Each claim counts
up `attempts`, which fences off every earlier holder: however late it reports, its attempt is not
the current one. What the current one reports is compared by content hash with what is stored: the
same content is neither stored nor logged again. A file that was detached, deleted or cancelled
meanwhile has no job any more, so a delete wins over a late completion. Leases compare the clocks of
the workers' machines, which must agree to well within a lease.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    case,
    delete,
    func,
    select,
    update,
)

from index.catalog.attributes import make_storable
from index.catalog.database import Database, log_changes
from index.catalog.lookups import AnyRow, chunking_of, require_store
from index.catalog.passages import check_drafts, replace_passages
from index.catalog.schema import files, jobs, store_files, vector_stores
from index.catalog.tenants.stored import check_passages
from index.errors import LostLeaseError
from index.records import ChunkDraft, IngestErrorCode, Job, StoreFileStatus, Vectors

MAX_ATTEMPTS = 5  # a file that took this many workers down is given up
MAX_MESSAGE_CHARS = 500
_MOST_STORES = 20  # whose files are told apart
_NO_FILES: Mapping[str, int] = dict.fromkeys(get_args(StoreFileStatus), 0)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What is still to be ingested.

    Attributes:
        num_jobs: files that wait or are in work.
        lag_s: since when the first of them has waited, in seconds; 0 without any.
        files: of the vector stores with the most files, their number by status, by the id of the
            store; those of all others together, by an empty id.
    """

    num_jobs: int
    lag_s: float
    files: Mapping[str, Mapping[str, int]]

    @property
    def num_files(self) -> Mapping[str, int]:
        """Files of all vector stores by status."""
        return {one: sum(counts[one] for counts in self.files.values()) for one in _NO_FILES}


class Jobs(Database):
    """The part of the catalog that hands out ingestion and takes its results."""

    def claim_job(self, worker: str, lease_s: float) -> Job | None:
        """Takes the oldest job that nobody holds.

        Args:
            worker: who asks; for people who read the table.
            lease_s: for how long nobody else gets it.

        Returns:
            The job, or None when there is nothing to do.
        """
        now = self._clock()
        query = select(jobs).where(_is_free(now)).order_by(jobs.c.id).limit(1)
        while self._find(query):
            with self._write_beside() as connection:
                row = connection.execute(query.with_for_update(skip_locked=True)).first()
                if row is None:
                    return None
                if row.attempts < MAX_ATTEMPTS:
                    return _lease(connection, row, worker, now + lease_s)
            self._give_up(row.id, now)
        return None

    def backlog(self) -> Backlog:
        """Counts what is still to be ingested, and the files of the stores by status."""
        created_at = (
            select(store_files.c.created_at)
            .join(
                jobs,
                (jobs.c.store_id == store_files.c.store_id)
                & (jobs.c.file_id == store_files.c.file_id),
            )
            .order_by(jobs.c.id)
            .limit(1)
        )
        with self._read() as connection:
            num_jobs = connection.execute(select(func.count()).select_from(jobs)).scalar_one()
            oldest = connection.execute(created_at).scalar()
            files = _files_by_store(connection)
        lag_s = max(0.0, self._clock() - oldest) if oldest is not None else 0.0
        return Backlog(num_jobs=num_jobs, lag_s=lag_s, files=files)

    def renew_job(self, job: Job, lease_s: float) -> bool:
        """Extends the lease from now on; False when the job is lost: drop the work."""
        statement = update(jobs).where(jobs.c.id == job.id, jobs.c.attempts == job.attempt)
        with self._write_beside() as connection:
            result = connection.execute(statement.values(lease_until=self._clock() + lease_s))
            return result.rowcount == 1

    def complete_job(
        self, job: Job, drafts: Sequence[ChunkDraft], embeddings: Vectors, fingerprint: str
    ) -> int:
        """Stores the passages of a file in place of any that it had, and ends the job.

        Passages that are stored already, with the same spans and embedder, are left as they are.

        Args:
            job: as it was claimed.
            drafts: the passages.
            embeddings: float32, (n_drafts, dim), unit L2 norm, in the order of the drafts.
            fingerprint: names the embedder.

        Returns:
            The head: a search index that has folded the log up to it knows the passages.

        Raises:
            LostLeaseError: the job is finished, deleted, or held by another worker.
            InvalidFileError: a passage holds a NUL or a lone surrogate.
            FingerprintMismatchError: the store holds vectors of another embedder.
            StoredLimitError: the tenant may not store so many passages.
        """
        if embeddings.ndim != 2 or len(embeddings) != len(drafts):
            raise ValueError(f"{len(drafts)} drafts need as many vectors, got {embeddings.shape}")
        check_drafts(drafts)
        usage = sum(len(draft.text.encode()) for draft in drafts) + embeddings.nbytes
        with self._write() as connection:
            row = _held(connection, job)
            _check_room(connection, row, len(drafts))
            changed = replace_passages(connection, job, drafts, embeddings, fingerprint)
            _finish(
                connection, row, status="completed", usage_bytes=usage, num_passages=len(drafts)
            )
            store_file = (job.store_id, job.file_id)
            return log_changes(connection, "upsert", [store_file] if changed else [])

    def fail_job(self, job: Job, code: IngestErrorCode, message: str) -> None:
        """Ends the job as failed; passages of an earlier success stay searchable.

        Raises:
            LostLeaseError: the job is finished, deleted, or held by another worker.
        """
        with self._write() as connection:
            _finish(
                connection,
                _held(connection, job),
                status="failed",
                error_code=code,
                error_message=make_storable(message[:MAX_MESSAGE_CHARS]),
            )

    def _find(self, query: Select[Any]) -> bool:
        """Whether there is such a job; an idle worker asks often and must not stop the writers."""
        with self._read() as connection:
            return connection.execute(query).first() is not None

    def _give_up(self, job_id: int, now: float) -> None:
        with self._write() as connection:
            query = select(jobs).where(jobs.c.id == job_id, _is_free(now)).with_for_update()
            row = connection.execute(query).first()
            if row is not None:
                message = f"given up: {MAX_ATTEMPTS} workers died or stalled on this file"
                _finish(
                    connection,
                    row,
                    status="failed",
                    error_code="server_error",
                    error_message=message,
                )


def _files_by_store(connection: Connection) -> dict[str, dict[str, int]]:
    in_store, status, number = store_files.c.store_id, store_files.c.status, func.count()
    most = select(in_store).group_by(in_store).order_by(number.desc(), in_store).limit(_MOST_STORES)
    told = connection.execute(most).scalars().all()
    store = case((in_store.in_(told), in_store), else_="").label("store")
    counts: dict[str, dict[str, int]] = {one: dict(_NO_FILES) for one in ("", *told)}
    for row in connection.execute(select(store, status, number).group_by("store", status)):
        counts[row[0]][row[1]] = row[2]
    return counts


def _is_free(now: float) -> ColumnElement[bool]:
    return jobs.c.lease_until.is_(None) | (jobs.c.lease_until <= now)


def _lease(connection: Connection, row: AnyRow, worker: str, lease_until: float) -> Job:
    attempt = row.attempts + 1
    connection.execute(
        update(jobs)
        .where(jobs.c.id == row.id)
        .values(attempts=attempt, lease_owner=worker, lease_until=lease_until)
    )
    stored = connection.execute(
        select(store_files, files.c.filename, files.c.tenant)
        .join(files, files.c.id == store_files.c.file_id)
        .where(store_files.c.store_id == row.store_id, store_files.c.file_id == row.file_id)
    ).one()
    return Job(
        id=row.id,
        store_id=row.store_id,
        file_id=row.file_id,
        filename=stored.filename,
        chunking=chunking_of(stored) or chunking_of(require_store(connection, row.store_id, None)),
        worker=worker,
        attempt=attempt,
        lease_until=lease_until,
        tenant=stored.tenant,
    )


def _held(connection: Connection, job: Job) -> AnyRow:
    """The job's row, locked.

    Raises:
        LostLeaseError: the job is finished, deleted, or held by another worker.
    """
    row = connection.execute(select(jobs).where(jobs.c.id == job.id).with_for_update()).first()
    if row is None:
        raise LostLeaseError(f"job {job.id} is finished or deleted")
    if row.attempts != job.attempt:
        raise LostLeaseError(
            f"job {job.id} is at attempt {row.attempts} of {row.lease_owner!r}, "
            f"not at attempt {job.attempt} of {job.worker!r}"
        )
    return row


def _check_room(connection: Connection, job: AnyRow, num_passages: int) -> None:
    """Checks that the tenant may have so many passages, instead of those of the file before.

    Raises:
        StoredLimitError: it may not.
    """
    if job.most_passages is None:
        return
    query = (
        select(vector_stores.c.tenant, store_files.c.num_passages)
        .join(vector_stores, vector_stores.c.id == store_files.c.store_id)
        .where(store_files.c.store_id == job.store_id, store_files.c.file_id == job.file_id)
    )
    held = connection.execute(query).one()
    check_passages(connection, held.tenant, num_passages - held.num_passages, job.most_passages)


def _finish(connection: Connection, row: AnyRow, **outcome: str | int) -> None:
    """Ends a job: its row goes, its outcome is written to the store file."""
    connection.execute(delete(jobs).where(jobs.c.id == row.id))
    statement: Update = update(store_files).where(
        store_files.c.store_id == row.store_id, store_files.c.file_id == row.file_id
    )
    connection.execute(statement.values(**outcome))
