"""Batches as clients see them: asked for, found, listed, cancelled."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from index.access import Viewer
from index.catalog.attributes import check_attributes
from index.catalog.batches.records import BatchFault, BatchRecord, NewBatch
from index.catalog.batches.tables import batches
from index.catalog.database import Database
from index.catalog.keys.seen import of_own_key
from index.catalog.lookups import AnyRow, Listing, find_row, read_page
from index.errors import EndedBatchError, UnknownBatchError
from index.records import Page

_COUNTS = ("num_total", "num_completed", "num_failed", "num_input_tokens", "num_output_tokens")
_AS_KEPT = (
    *_COUNTS, "id", "tenant", "key_id", "created_at", "expires_at", "status", "endpoint",
    "input_file_id", "window_s", "metadata", "output_life_s", "times", "model", "output_file_id",
    "error_file_id", "attempt", "public_url",
)  # fmt: skip


class Batches(Database):
    """The part of the catalog that keeps batches; each is of one tenant."""

    def create_batch(self, batch: NewBatch) -> BatchRecord:
        """Stores a batch that waits; on return it is durable.

        Raises:
            InvalidAttributesError: metadata outside its bounds.
        """
        check_attributes(batch.metadata or {})
        now = self._now()
        batch_id = f"batch_{uuid.uuid4().hex}"
        row = {
            **vars(batch),
            **dict.fromkeys((*_COUNTS, "attempt"), 0),
            "id": batch_id,
            "created_at": now,
            "expires_at": now + batch.window_s,
            "status": "validating",
            "times": {},
            "faults": [],
        }
        with self._write_beside() as connection:
            connection.execute(insert(batches).values(**row))
            return batch_of(require_batch(connection, batch.tenant, batch_id, self._viewer))

    def get_batch(self, tenant: str, batch_id: str) -> BatchRecord:
        """The batch.

        Raises:
            UnknownBatchError: this tenant has none of this id.
        """
        with self._read() as connection:
            return batch_of(require_batch(connection, tenant, batch_id, self._viewer))

    def list_batches(
        self, tenant: str, *, limit: int = 20, after: str | None = None
    ) -> Page[BatchRecord]:
        """One page of the batches, newest first.

        Raises:
            UnknownCursorError: `after` names no batch of this tenant.
        """
        query = select(batches).where(batches.c.tenant == tenant)
        listing = Listing(limit=limit, order="desc", after=after)
        with self._read() as connection:
            rows, has_more = read_page(
                connection, query, batches, listing, scope={"tenant": tenant},
                seen=of_own_key(batches, self._viewer),
            )  # fmt: skip
        return Page(items=tuple(map(batch_of, rows)), has_more=has_more)

    def cancel_batch(self, tenant: str, batch_id: str) -> BatchRecord:
        """Asks whoever works on a batch to end it; asked again, it changes nothing.

        Raises:
            UnknownBatchError: this tenant has none of this id.
            EndedBatchError: it has ended, and was not cancelled.
        """
        with self._write_beside() as connection:
            row = require_batch(connection, tenant, batch_id, self._viewer, locks=True)
            if row.status in ("cancelling", "cancelled"):
                return batch_of(row)
            if row.status not in ("validating", "in_progress"):
                raise EndedBatchError(f"cannot cancel a batch with status '{row.status}'")
            change_batch(connection, row, "cancelling", self._now())
            return batch_of(require_batch(connection, tenant, batch_id, self._viewer))


def require_batch(
    connection: Connection, tenant: str, batch_id: str, viewer: Viewer, *, locks: bool = False
) -> AnyRow:
    """The batch's row; `locks`: nobody else changes it until the transaction ends.

    Raises:
        UnknownBatchError: this tenant has none of this id.
    """
    own = of_own_key(batches, viewer)
    query = select(batches).where(batches.c.id == batch_id, batches.c.tenant == tenant, *own)
    row = find_row(connection, query.with_for_update() if locks else query, batch_id)
    if row is None:
        raise UnknownBatchError(f"no batch {batch_id!r}")
    return row


def change_batch(
    connection: Connection,
    row: AnyRow,
    status: str,
    now: int,
    values: Mapping[str, Any] | None = None,
) -> None:
    """Brings a locked batch into a status."""
    changed = update(batches).where(batches.c.id == row.id)
    times = {**row.times, status: now}
    connection.execute(changed.values({"status": status, "times": times, **(values or {})}))


def batch_of(row: AnyRow) -> BatchRecord:
    """The record of a row."""
    fields = row._mapping
    kept = {name: fields[name] for name in _AS_KEPT}
    return BatchRecord(**kept, faults=tuple(BatchFault(**one) for one in row.faults))
