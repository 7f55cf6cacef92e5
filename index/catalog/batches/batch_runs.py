"""Work on batches as leased rows, as that on responses is (index/catalog/answers).

    create              begin                  finish
      |   +------------+     +-------------+
      '-> | validating | --> | in_progress | --'-> completed, expired
          +------------+     +-------------+
             |   |  cancel: cancelling -+------'-> cancelled
             |   '-- finish: failed            keep: results, and a later end of the lease

Every line has one result, whoever worked on it, and the results become files in the transaction
that ends the batch: so none is lost or told twice, whenever the worker dies.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from index.access import access_text
from index.catalog.answers.leased_rows import LeasedRows
from index.catalog.batches.batches import batch_of, change_batch
from index.catalog.batches.records import (
    UNFINISHED_BATCH,
    BatchEnd,
    BatchFault,
    BatchProgress,
    BatchRecord,
    LineResult,
)
from index.catalog.batches.tables import batch_results, batches
from index.catalog.files import file_values
from index.catalog.lookups import AnyRow
from index.catalog.schema import files
from index.errors import LostLeaseError


class BatchRuns(LeasedRows):
    """The part of the catalog that hands out work on batches and takes what comes of it."""

    def claim_batch(self, owner: str, lease_s: float) -> BatchRecord | None:
        """Takes the oldest batch that waits, or whose worker is gone; None: there is none."""
        waits = batches.c.status.in_(UNFINISHED_BATCH)
        row = self._take_oldest(batches, waits, owner=owner, lease_s=lease_s, values={})
        return None if row is None else batch_of(row)

    def begin_batch(self, run: BatchRecord, *, num_total: int, model: str | None) -> BatchRecord:
        """Notes that the input was found good; a batch that is cancelled already stays so.

        Raises:
            LostLeaseError: the batch has ended, or somebody else works on it.
        """
        with self._write_beside() as connection:
            row = _held(connection, run)
            found = {"num_total": num_total, "model": model}
            if row.status == "validating":
                change_batch(connection, row, "in_progress", self._now(), found)
            return _record(connection, run)

    def batch_progress(self, run: BatchRecord) -> BatchProgress:
        """Which lines have a result already."""
        of_batch = batch_results.c.batch_id == run.id
        size = func.coalesce(func.sum(func.length(batch_results.c.data)), 0)
        with self._read() as connection:
            numbers = connection.execute(select(batch_results.c.number).where(of_batch)).scalars()
            return BatchProgress(
                numbers=frozenset(numbers),
                num_bytes=int(connection.execute(select(size).where(of_batch)).scalar_one()),
            )

    def keep_batch(
        self, run: BatchRecord, results: Sequence[LineResult], lease_s: float
    ) -> BatchRecord:
        """Keeps results, of each line the first, extends the lease, and tells how it stands.

        Raises:
            LostLeaseError: the batch has ended, or somebody else works on it.
        """
        with self._write_beside() as connection:
            row = _held(connection, run)
            new = _without_known(connection, run, results)
            rows = [
                {"batch_id": run.id, "number": one.number, "is_error": one.is_error,
                 "data": one.data} for one in new
            ]  # fmt: skip
            if rows:
                connection.execute(insert(batch_results), rows)
            told = [one for one in new if not one.is_left]
            num_failed = sum(one.is_error for one in told)
            input_tokens = sum(one.num_input_tokens for one in new)
            output_tokens = sum(one.num_output_tokens for one in new)
            kept = update(batches).where(batches.c.id == run.id)
            connection.execute(
                kept.values(
                    lease_until=self._clock() + lease_s,
                    num_completed=row.num_completed + len(told) - num_failed,
                    num_failed=row.num_failed + num_failed,
                    num_input_tokens=row.num_input_tokens + input_tokens,
                    num_output_tokens=row.num_output_tokens + output_tokens,
                )
            )
            return _record(connection, run)

    def finish_batch(
        self, run: BatchRecord, status: BatchEnd, faults: Sequence[BatchFault] = ()
    ) -> None:
        """Ends a batch: its results become files, in the order of the lines.

        Raises:
            LostLeaseError: the batch has ended, or somebody else works on it.
        """
        now = self._now()
        with self._write_beside() as connection:
            row = _held(connection, run)
            ended: dict[str, Any] = {
                "output_file_id": _write_file(connection, run, now, is_error=False),
                "error_file_id": _write_file(connection, run, now, is_error=True),
                "faults": [asdict(one) for one in faults],
                "lease_until": None,
            }
            if status != "failed":
                ended["times"] = {**row.times, "finalizing": now, status: now}
            change_batch(connection, row, status, now, ended)
            connection.execute(delete(batch_results).where(batch_results.c.batch_id == run.id))


def _held(connection: Connection, run: BatchRecord) -> AnyRow:
    """The row of a batch, locked.

    Raises:
        LostLeaseError: the batch has ended, or somebody else works on it.
    """
    query = select(batches).where(
        batches.c.id == run.id,
        batches.c.attempt == run.attempt,
        batches.c.status.in_(UNFINISHED_BATCH),
    )
    row = connection.execute(query.with_for_update()).first()
    if row is None:
        raise LostLeaseError(f"batch {run.id} is not at attempt {run.attempt} any more")
    return row


def _record(connection: Connection, run: BatchRecord) -> BatchRecord:
    return batch_of(connection.execute(select(batches).where(batches.c.id == run.id)).one())


def _without_known(
    connection: Connection, run: BatchRecord, results: Sequence[LineResult]
) -> list[LineResult]:
    """The results of lines that have none; they have one when an earlier reply was lost."""
    query = select(batch_results.c.number).where(
        batch_results.c.batch_id == run.id,
        batch_results.c.number.in_([one.number for one in results]),
    )
    known = set(connection.execute(query).scalars())
    return [one for one in results if one.number not in known]


def _write_file(
    connection: Connection, run: BatchRecord, now: int, *, is_error: bool
) -> str | None:
    """Makes a file of the results of one kind; None: there are none.

    It holds what one key saw, so its access list is of that key, also when the key sees all.
    """
    query = (
        select(batch_results.c.data)
        .where(batch_results.c.batch_id == run.id, batch_results.c.is_error == is_error)
        .order_by(batch_results.c.number)
    )
    lines = connection.execute(query).scalars().all()
    if not lines:
        return None
    values = file_values(
        filename=f"{run.id}_{'error' if is_error else 'output'}.jsonl",
        purpose="batch_output",
        data="".join(f"{line}\n" for line in lines).encode("ascii"),
        now=now,
        expires_after_s=run.output_life_s,
        owner={
            "tenant": run.tenant,
            "key_id": run.key_id,
            "access": access_text([f"key:{run.key_id}"]) if run.key_id else None,
        },
    )
    connection.execute(insert(files).values(values))
    file_id: str = values["id"]
    return file_id
