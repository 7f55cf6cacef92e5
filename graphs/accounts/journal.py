"""What a Gateway notes of usage and deeds, written to the catalog in parcels, off every answer.

    note --> pending --every moment--> parcel --write_parcel--> catalog
                 '--> a line of JSON in `audit.folder`: audit-<day>-<Gateway>.jsonl

A parcel is sent until the catalog has taken it, always under its number, so it counts once. A clean
stop writes all. What a killed Gateway had noted in its last `_PAUSE_S`, or while the catalog was
out of reach, is lost: usage is then told too low, never too high. What the catalog refuses is cut
in two until one record is left, which is dropped: the others are written.
"""

import asyncio
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from graphs.accounts.settings import AuditSettings
from graphs.accounts.store import LedgerStore
from graphs.errors import GraphError
from index.catalog.accounts.records import AuditRecord, Parcel, UsageRecord
from index.errors import CorpusError

logger = logging.getLogger(__name__)

_PAUSE_S = 0.2
_AGAIN_S = 1.0
_PRUNE_S = 3600.0
_MOST = 200_000  # records that wait for a catalog that is away; about 100 MB
_AT_ONCE = 2000  # in a parcel


class Journal:
    """Collects records and writes them.

    Args:
        store: gives the catalog of the moment.
        settings: gives those of the moment.

    Attributes:
        num_dropped: records that were given up: too many waited, or the catalog refused them.
    """

    def __init__(
        self, store: Callable[[], LedgerStore], settings: Callable[[], AuditSettings]
    ) -> None:
        self._store = store
        self._settings = settings
        self._writer = uuid.uuid4().hex
        self._number = 0
        self._usage: list[UsageRecord] = []
        self._audit: list[AuditRecord] = []
        self._parcel: Parcel | None = None
        self._parts: list[Parcel] = []  # of one that was refused, last first; without numbers
        self._task: asyncio.Task[None] | None = None
        self._pruned_at = float("-inf")
        self.num_dropped = 0

    def count(self, record: UsageRecord) -> None:
        """Notes what was used."""
        self._usage.append(record)
        self._begin()

    def note(self, record: AuditRecord) -> None:
        """Notes what was done."""
        if self._settings().log != "off":
            self._audit.append(record)
            self._begin()

    async def stop(self, within_s: float = 5.0) -> None:
        """Writes what waits; gives up what the catalog does not take in that time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self.written()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def written(self) -> None:
        """Waits until all that was noted so far is in the catalog."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def _begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        num_waiting = len(self._usage) + len(self._audit)
        if num_waiting > _MOST:
            longer = self._audit if len(self._audit) >= len(self._usage) else self._usage
            del longer[:_AT_ONCE]
            self.num_dropped += _AT_ONCE
            logger.error("%d records of usage or audit were dropped", self.num_dropped)

    async def _write(self) -> None:
        """Writes until nothing waits."""
        while self._usage or self._audit or self._parts or self._parcel:
            if self._parcel is None:
                if not self._parts:
                    await asyncio.sleep(_PAUSE_S)
                    self._parts.append(await self._packed())
                # Numbered only here: the catalog takes no number below one that it has.
                self._number += 1
                self._parcel = replace(self._parts.pop(), number=self._number)
            try:
                await self._store().write_parcel(self._parcel)
            except (CorpusError, GraphError) as err:
                logger.warning("usage and audit wait for the catalog: %s", err)
                await asyncio.sleep(_AGAIN_S)
                continue
            except Exception:  # the last resort: nothing else may wait for a record that is bad
                parts = _parts_of(self._parcel)
                if not parts:
                    self.num_dropped += 1
                    logger.exception("the catalog refused a record of usage or audit: dropped")
                self._parts += parts
            self._parcel = None
            await self._prune()

    async def _packed(self) -> Parcel:
        usage, self._usage = self._usage[:_AT_ONCE], self._usage[_AT_ONCE:]
        audit, self._audit = self._audit[:_AT_ONCE], self._audit[_AT_ONCE:]
        folder = self._settings().folder
        if folder is not None and audit:
            name = f"audit-{datetime.now(UTC).date()}-{self._writer}.jsonl"
            await asyncio.to_thread(_append, Path(folder) / name, audit)
        return Parcel(writer=self._writer, number=0, usage=tuple(usage), audit=tuple(audit))

    async def _prune(self) -> None:
        if time.monotonic() - self._pruned_at >= _PRUNE_S:
            self._pruned_at = time.monotonic()
            settings = self._settings()
            if settings.folder is not None:
                await asyncio.to_thread(_delete_old, Path(settings.folder), settings.kept_days)
            try:
                await self._store().prune_accounts(audit_days=settings.kept_days)
            except Exception as err:
                logger.warning("old rows of usage and audit stay a while longer: %s", err)


def _parts_of(parcel: Parcel) -> tuple[Parcel, ...]:
    """Cuts a parcel in two, the second part first; none where it is one record."""
    usage, audit = parcel.usage, parcel.audit
    if usage and audit:
        return replace(parcel, usage=()), replace(parcel, audit=())
    middle = (len(usage) + len(audit)) // 2
    if not middle:
        return ()
    return (
        replace(parcel, usage=usage[middle:], audit=audit[middle:]),
        replace(parcel, usage=usage[:middle], audit=audit[:middle]),
    )


def _append(path: Path, records: Sequence[AuditRecord]) -> None:
    """Adds a line for each record; on return they are on the disk."""
    lines = "".join(f"{json.dumps(as_json(record))}\n" for record in records)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
    except OSError as err:  # the catalog has them as well
        logger.error("cannot append to %s: %s", path, err)


def _delete_old(folder: Path, kept_days: int) -> None:
    """Deletes the lines of days that are older than `kept_days`, whichever Gateway wrote them."""
    first = (datetime.now(UTC) - timedelta(days=kept_days)).date().isoformat()
    try:
        for path in folder.glob("audit-????-??-??-*.jsonl"):
            if path.name.removeprefix("audit-") < first:
                path.unlink(missing_ok=True)
    except OSError as err:
        logger.warning("old lines of the audit log stay a while longer: %s", err)


def as_json(record: AuditRecord) -> dict[str, object]:
    """A record as programs read it."""
    fields = asdict(record)
    if not record.seq:
        del fields["seq"]
    return fields
