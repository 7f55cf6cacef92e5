"""Work on responses as leased rows, as that on files is (index/catalog/jobs.py).

    create              claim                        finish
      |   +----------+  attempt += 1  +-------------+   |
      '-> |  queued  | -------------> | in_progress | --'-> completed, incomplete, failed
          +----------+                +-------------+
                                        |  ^   | keep: events, and a later end of the lease
                                        '--'
                                 lease ran out: the next claim takes it over

Who has not the newest attempt is refused, however late it comes; a cancellation counts as one.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, select, update

from index.catalog.answers.leased_rows import LeasedRows
from index.catalog.answers.records import UNFINISHED, Outcome, StoredResponse
from index.catalog.answers.responses import add_events, response_of, write_outcome
from index.catalog.schema import responses
from index.errors import LostLeaseError


class ResponseRuns(LeasedRows):
    """The part of the catalog that hands out work on responses and takes what comes of it."""

    def claim_response(self, owner: str, lease_s: float) -> StoredResponse | None:
        """Takes the oldest response that waits, or whose worker is gone; None: there is none."""
        waits = responses.c.status.in_(UNFINISHED) & (responses.c.expires_at > self._clock())
        row = self._take_oldest(
            responses, waits, owner=owner, lease_s=lease_s, values={"status": "in_progress"}
        )
        return None if row is None else response_of(row)

    def keep_response(
        self, run: StoredResponse, *, first_number: int, events: Sequence[str], lease_s: float
    ) -> bool:
        """Appends events and extends the lease from now on; False: the work is lost, drop it."""
        held = update(responses).where(_is_held(run))
        with self._write_beside() as connection:
            result = connection.execute(held.values(lease_until=self._clock() + lease_s))
            if result.rowcount != 1:
                return False
            add_events(connection, run.id, first_number, events)
            return True

    def finish_response(self, run: StoredResponse, outcome: Outcome) -> None:
        """Ends the work.

        Raises:
            LostLeaseError: the response has ended, is deleted, or somebody else works on it.
            InvalidConversationError: its conversation is full.
        """
        with self._write() as connection:
            query = select(responses.c.id).where(_is_held(run)).with_for_update()
            if connection.execute(query).first() is None:
                raise LostLeaseError(f"response {run.id} is not at attempt {run.attempt} any more")
            write_outcome(connection, run, outcome, self._now())


def _is_held(run: StoredResponse) -> ColumnElement[bool]:
    unfinished = responses.c.status.in_(UNFINISHED)
    return (responses.c.id == run.id) & (responses.c.attempt == run.attempt) & unfinished
