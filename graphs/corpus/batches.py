"""What the routes need of batches of requests; the third part of graphs/corpus/protocols.py.

Names, arguments, records and errors are those of index.catalog.batches. The tenant stands first:
who asks for another's finds nothing.
"""

from collections.abc import Sequence
from typing import Protocol

from index.catalog.batches.records import (
    BatchEnd,
    BatchFault,
    BatchProgress,
    BatchRecord,
    LineResult,
    NewBatch,
)
from index.records import Page


class BatchReads(Protocol):
    """Reads batches."""

    async def get_batch(self, tenant: str, batch_id: str) -> BatchRecord:
        """Gives the batch."""

    async def list_batches(
        self, tenant: str, *, limit: int = 20, after: str | None = None
    ) -> Page[BatchRecord]:
        """Gives one page of the batches, newest first."""


class BatchAsks(Protocol):
    """Asks for batches, and for their end."""

    async def create_batch(self, batch: NewBatch) -> BatchRecord:
        """Stores a batch that waits."""

    async def cancel_batch(self, tenant: str, batch_id: str) -> BatchRecord:
        """Asks for the end of a batch."""


class BatchClaims(Protocol):
    """Hands out work on batches of all tenants."""

    async def claim_batch(self, owner: str, lease_s: float) -> BatchRecord | None:
        """Takes the oldest batch that waits, or whose worker is gone."""

    async def begin_batch(
        self, run: BatchRecord, *, num_total: int, model: str | None
    ) -> BatchRecord:
        """Notes that the input was found good."""

    async def batch_progress(self, run: BatchRecord) -> BatchProgress:
        """Tells which lines have a result."""


class BatchWork(Protocol):
    """Takes what comes of the work on a batch."""

    async def keep_batch(
        self, run: BatchRecord, results: Sequence[LineResult], lease_s: float
    ) -> BatchRecord:
        """Keeps results and extends the lease."""

    async def finish_batch(
        self, run: BatchRecord, status: BatchEnd, faults: Sequence[BatchFault] = ()
    ) -> None:
        """Ends the work; the results become files."""


class BatchWrites(BatchAsks, BatchClaims, BatchWork, Protocol):
    """All that changes something; what one of them returned from is durable."""
