"""Tenants: which there are, and the end of one for good.

keys revoked --> portions, each a transaction: files of stores, stores, files, uploads, answers,
                 conversations, batches, feedback --> nothing left --> keys and quotas

Whoever is killed on the way leaves what is left, and the next one goes on with that. Usage and the
audit log stay, which have no text; the log of changes names ids alone.
"""

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from index.catalog.accounts.tables import quota_holders, quotas
from index.catalog.answers.feedback import feedback
from index.catalog.batches.tables import batches
from index.catalog.database import Database, log_changes
from index.catalog.keys.tables import api_keys
from index.catalog.schema import (
    conversations,
    files,
    responses,
    store_files,
    uploads,
    vector_stores,
)
from index.catalog.tenants import stored

_PASSAGES_AT_ONCE = 20_000  # each has a vector
# In the order of their end; store files go before stores, a portion of them at a time.
_TABLES: dict[str, Table] = {
    "num_stores": vector_stores,
    "num_files": files,
    "num_uploads": uploads,
    "num_responses": responses,
    "num_conversations": conversations,
    "num_batches": batches,
    "num_feedback": feedback,
}


@dataclass(frozen=True, kw_only=True)
class TenantRecord:
    """A tenant and what there is of it.

    Attributes:
        id: its name.
        num_bytes: of its files, those that have expired included.
        num_keys: keys of every state, and those whom an identity provider vouches for.
    """

    id: str
    num_files: int = 0
    num_bytes: int = 0
    num_stores: int = 0
    num_passages: int = 0
    num_uploads: int = 0
    num_responses: int = 0
    num_conversations: int = 0
    num_batches: int = 0
    num_feedback: int = 0
    num_keys: int = 0


NUMBERS = tuple(one.name for one in fields(TenantRecord) if one.name != "id")


class Tenants(Database):
    """The part of the catalog that knows tenants as a whole."""

    def list_tenants(self, tenant: str | None = None) -> tuple[TenantRecord, ...]:
        """All tenants of which there is anything, by name; with a name that one alone."""
        counted: dict[str, dict[str, int]] = {}
        with self._read() as connection:
            for name, table in (*_TABLES.items(), ("num_keys", api_keys)):
                for row in connection.execute(_counts(table, func.count(), tenant)):
                    counted.setdefault(row.tenant, {})[name] = int(row.number)
            for row in connection.execute(_counts(files, func.sum(files.c.num_bytes), tenant)):
                counted[row.tenant]["num_bytes"] = int(row.number)
            of_stores = _counts(vector_stores, func.sum(store_files.c.num_passages), tenant)
            held = of_stores.join(store_files, store_files.c.store_id == vector_stores.c.id)
            for row in connection.execute(held):
                counted[row.tenant]["num_passages"] = int(row.number)
        return tuple(TenantRecord(id=name, **counted[name]) for name in sorted(counted))

    def tenant_since(self, tenant: str) -> int | None:
        """When its oldest key was made, in seconds since 1970; None: it has none.

        After the end of a tenant the next one of that name is younger than what was of the first.
        """
        query = select(func.min(api_keys.c.created_at)).where(api_keys.c.tenant == tenant)
        with self._read() as connection:
            since: int | None = connection.execute(query).scalar_one()
        return since

    def revoke_tenant(self, tenant: str, *, but: str = "") -> int:
        """Ends all keys of a tenant, but for that with this id; gives how many were not ended."""
        ended = update(api_keys).where(
            api_keys.c.tenant == tenant, api_keys.c.id != but, api_keys.c.revoked_at.is_(None)
        )
        with self._write() as connection:
            return connection.execute(ended.values(revoked_at=self._now())).rowcount

    def delete_tenant_portion(self, tenant: str) -> int:
        """Deletes some of what there is of a tenant, keys apart; gives how many rows, 0: none left.

        Searches know it at once.
        """
        with self._write() as connection:
            gone = _delete_store_files(connection, tenant)
            for table in _TABLES.values():
                if not gone:
                    gone = _delete_rows(connection, table, tenant)
            return gone

    def forget_tenant(self, tenant: str) -> None:
        """Deletes the keys of a tenant, and what it was granted of its limits."""
        with self._write() as connection:
            connection.execute(delete(api_keys).where(api_keys.c.tenant == tenant))
            of_keys = f"key:{tenant}/"
            for table in (quotas, quota_holders):
                # Not LIKE, in which SQLite takes upper and lower case for the same.
                named = or_(
                    table.c.subject == f"tenant:{tenant}",
                    func.substr(table.c.subject, 1, len(of_keys)) == of_keys,
                )
                connection.execute(delete(table).where(named))


def _counts(
    table: Table, number: ColumnElement[int], tenant: str | None
) -> Select[tuple[str, int]]:
    query = select(table.c.tenant, number.label("number")).group_by(table.c.tenant)
    return query if tenant is None else query.where(table.c.tenant == tenant)


def _delete_store_files(connection: Connection, tenant: str) -> int:
    """Takes some files out of the stores of a tenant; their passages, vectors and jobs go along."""
    query: Select[Any] = (
        select(
            store_files.c.seq,
            store_files.c.store_id,
            store_files.c.file_id,
            store_files.c.num_passages.label("weight"),
        )
        .join(vector_stores, vector_stores.c.id == store_files.c.store_id)
        .where(vector_stores.c.tenant == tenant)
        .limit(stored.ROWS_AT_ONCE)
    )
    gone = stored.light(connection.execute(query).all(), _PASSAGES_AT_ONCE)
    numbers = [row.seq for row in gone]
    connection.execute(delete(store_files).where(store_files.c.seq.in_(numbers)))
    log_changes(connection, "delete", [(row.store_id, row.file_id) for row in gone])
    return len(gone)


def _delete_rows(connection: Connection, table: Table, tenant: str) -> int:
    weight = table.c.num_bytes if "num_bytes" in table.c else literal(0)
    some: Select[Any] = select(table.c.id, weight.label("weight")).where(table.c.tenant == tenant)
    rows = connection.execute(some.limit(stored.ROWS_AT_ONCE)).all()
    ids = [row.id for row in stored.light(rows, stored.BYTES_AT_ONCE)]
    connection.execute(delete(table).where(table.c.id.in_(ids)))
    return len(ids)
