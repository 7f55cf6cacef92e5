"""Rows that wait for someone to work on them: taken, held for a while, and taken over.

Responses and batches are such rows; the jobs of ingestion have more to say (index/catalog/jobs.py).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Table, or_, select, update

from index.catalog.database import Database
from index.catalog.lookups import AnyRow


class LeasedRows(Database):
    """Takes rows of tables that have `seq`, `id`, `attempt`, `lease_owner` and `lease_until`."""

    def _take_oldest(
        self,
        table: Table,
        waits: ColumnElement[bool],
        *,
        owner: str,
        lease_s: float,
        values: Mapping[str, Any],
    ) -> AnyRow | None:
        """Takes the oldest row that nobody works on; None: there is none.

        Args:
            table: where.
            waits: which rows are to be worked on at all.
            owner: who takes it.
            lease_s: for how long nobody else does.
            values: what is written into the row as well.

        Returns:
            The row as it is now, at its next attempt.
        """
        over = or_(table.c.lease_until.is_(None), table.c.lease_until <= self._clock())
        query = select(table).where(waits, over).order_by(table.c.seq).limit(1)
        with self._read() as connection:  # who has nothing to do must not stop the writers
            if connection.execute(query).first() is None:
                return None
        with self._write_beside() as connection:
            row = connection.execute(query.with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            taken = update(table).where(table.c.id == row.id)
            lease = {"lease_owner": owner, "lease_until": self._clock() + lease_s}
            connection.execute(taken.values(**values, **lease, attempt=row.attempt + 1))
            return connection.execute(select(table).where(table.c.id == row.id)).one()
