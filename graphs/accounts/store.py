"""What accounts need of the catalog: methods of index.catalog.accounts, awaited."""

from collections.abc import Sequence
from typing import Protocol

from graphs.caller import Caller
from index.catalog.accounts.records import (
    AuditQuery,
    AuditRecord,
    HoldAsk,
    Parcel,
    QuotaAsk,
    QuotaGrant,
    UsageRecord,
)

ANSWER_S = 1.0  # a request waits no longer for the catalog to say what it may use


class LedgerStore(Protocol):
    """Keeps usage and audit."""

    async def write_parcel(self, parcel: Parcel) -> None:
        """Adds what a Gateway noted, once."""

    async def usage(
        self,
        since: str = "",
        until: str = "9999-12-31",
        *,
        tenant: str | None = None,
        key_id: str | None = None,
    ) -> tuple[UsageRecord, ...]:
        """Gives the sums of days."""

    async def prune_accounts(self, *, audit_days: int) -> int:
        """Deletes what is old."""


class AuditReads(Protocol):
    """Reads the audit log."""

    async def audit(self, query: AuditQuery) -> tuple[AuditRecord, ...]:
        """Gives the rows that are asked for, oldest first."""


class QuotaStore(Protocol):
    """Grants parts of limits."""

    async def lease_quotas(self, asks: Sequence[QuotaAsk]) -> tuple[QuotaGrant, ...]:
        """Grants what is free."""

    async def hold_quotas(
        self, holder: str, asks: Sequence[HoldAsk], for_s: float
    ) -> tuple[bool, ...]:
        """Notes open requests, unless they are too many."""


class AccountStore(LedgerStore, AuditReads, QuotaStore, Protocol):
    """The catalog's part for accounts."""


class AccountStores(Protocol):
    """The part of every caller."""

    def of(self, caller: Caller) -> AccountStore:
        """Gives the catalog as this caller sees it."""
