"""Usage and audit: written in parcels, each once however often it is sent; read by operators."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Text, cast, delete, insert, select

from index.catalog.accounts.records import AuditQuery, AuditRecord, Parcel, UsageRecord
from index.catalog.accounts.tables import (
    account_writers,
    audit_log,
    quota_holders,
    quotas,
    usage,
    usage_once,
)
from index.catalog.accounts.upsert import add_rows, put_row
from index.catalog.database import Database

_SUMS = ("num_calls", "num_prompt_tokens", "num_completion_tokens")
_KEPT_S = 7 * 86_400.0  # names of answers, writers and quotas are forgotten after that
_DAY_S = 86_400.0


class Ledger(Database):
    """The part of the catalog that counts what was used and keeps the audit log."""

    def write_parcel(self, parcel: Parcel) -> None:
        """Adds what a Gateway noted; nothing where this parcel was written before."""
        with self._write_beside() as connection:
            row = {"writer": parcel.writer, "number": parcel.number, "at": self._clock()}
            add_rows(connection, account_writers, [{**row, "number": 0}], ())
            known = select(account_writers.c.number).where(
                account_writers.c.writer == parcel.writer
            )
            if connection.execute(known.with_for_update()).scalar_one() >= parcel.number:
                return
            put_row(connection, account_writers, row)
            _add_usage(connection, _once(connection, parcel.usage, self._clock()))
            if parcel.audit:
                connection.execute(insert(audit_log), [_row_of(one) for one in parcel.audit])

    def usage(
        self,
        since: str = "",
        until: str = "9999-12-31",
        *,
        tenant: str | None = None,
        key_id: str | None = None,
    ) -> tuple[UsageRecord, ...]:
        """The sums of the days since..until (both inclusive), oldest first."""
        query = select(usage).where(usage.c.day >= since, usage.c.day <= until)
        if tenant is not None:
            query = query.where(usage.c.tenant == tenant)
        if key_id is not None:
            query = query.where(usage.c.key_id == key_id)
        query = query.order_by(usage.c.day, usage.c.tenant, usage.c.key_id, usage.c.model)
        with self._read() as connection:
            return tuple(UsageRecord(**row._mapping) for row in connection.execute(query))

    def audit(self, query: AuditQuery) -> tuple[AuditRecord, ...]:
        """The rows of the audit log that a query asks for, oldest first."""
        columns = audit_log.c
        wanted = select(audit_log).where(columns.seq > query.after).order_by(columns.seq)
        if query.since is not None:
            wanted = wanted.where(columns.at >= query.since)
        if query.until is not None:
            wanted = wanted.where(columns.at < query.until)
        for name in ("tenant", "key_id", "request_id"):
            if value := getattr(query, name):
                wanted = wanted.where(columns[name] == value)
        if query.document:
            listed = cast(columns.documents, Text)
            wanted = wanted.where(listed.contains(f'"{query.document}"', autoescape=True))
        with self._read() as connection:
            return tuple(
                AuditRecord(**{**row._mapping, "documents": tuple(row.documents)})
                for row in connection.execute(wanted.limit(query.limit))
            )

    def prune_accounts(self, *, audit_days: int) -> int:
        """Deletes rows of the audit log that are older, and what nobody asks for any more.

        Returns:
            How many rows of the audit log were deleted.
        """
        now = self._clock()
        stale = now - _KEPT_S
        with self._write_beside() as connection:
            old = delete(audit_log).where(audit_log.c.at < now - max(1, audit_days) * _DAY_S)
            num_deleted = connection.execute(old).rowcount
            for table in (usage_once, account_writers):
                connection.execute(delete(table).where(table.c.at < stale))
            month = quotas.c.kind.like("%month")  # these hold for 31 days
            connection.execute(delete(quotas).where(quotas.c.at < stale, ~month))
            connection.execute(delete(quotas).where(quotas.c.at < now - 32 * _DAY_S))
            connection.execute(delete(quota_holders).where(quota_holders.c.until < stale))
        return int(num_deleted)


def _once(
    connection: Connection, records: Sequence[UsageRecord], now: float
) -> Iterable[UsageRecord]:
    """Cuts records of named answers to what was not counted of these before."""
    largest: dict[str, UsageRecord] = {}
    for record in records:
        if not record.once:
            yield record
        elif (known := largest.get(record.once)) is None:
            largest[record.once] = record
        else:
            largest[record.once] = replace(
                known,
                num_prompt_tokens=max(known.num_prompt_tokens, record.num_prompt_tokens),
                num_completion_tokens=max(
                    known.num_completion_tokens, record.num_completion_tokens
                ),
            )
    blank = [
        {"id": once, "num_prompt_tokens": 0, "num_completion_tokens": 0, "at": 0.0}
        for once in largest
    ]
    add_rows(connection, usage_once, blank, ())
    for once, record in sorted(largest.items()):
        row = select(usage_once).where(usage_once.c.id == once).with_for_update()
        counted = connection.execute(row).one()
        prompt = max(counted.num_prompt_tokens, record.num_prompt_tokens)
        completion = max(counted.num_completion_tokens, record.num_completion_tokens)
        sums = {"num_prompt_tokens": prompt, "num_completion_tokens": completion}
        put_row(connection, usage_once, {"id": once, **sums, "at": now})
        yield replace(
            record,
            num_prompt_tokens=prompt - counted.num_prompt_tokens,
            num_completion_tokens=completion - counted.num_completion_tokens,
            num_calls=int(counted.at == 0.0),
        )


def _add_usage(connection: Connection, records: Iterable[UsageRecord]) -> None:
    sums: dict[tuple[str, ...], dict[str, Any]] = {}
    for record in records:
        row = asdict(record)
        del row["once"]
        key = (record.day, record.tenant, record.key_id, record.model)
        if (known := sums.get(key)) is None:
            sums[key] = row
        else:
            known.update({name: known[name] + row[name] for name in _SUMS})
    add_rows(connection, usage, list(sums.values()), _SUMS)


def _row_of(record: AuditRecord) -> dict[str, Any]:
    row = asdict(record)
    del row["seq"]
    return {**row, "documents": list(record.documents)}
