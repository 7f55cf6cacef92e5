"""Quotas: what all Gateways together were granted of a limit.

    minute   {"1700000001": 12, "1700000002": 3, ...}   an amount for each second
    month    {"2026-11": 1200000}

A second's amount counts until a whole minute after that second has ended, so in no 60 s more is
granted than the limit, wherever they begin. That is the strictest reading of "a minute": a limit
can be used up at once, and is free again as it was used.
"""

import calendar
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import floor

from sqlalchemy import select

from index.catalog.accounts.records import HoldAsk, QuotaAsk, QuotaGrant, Window
from index.catalog.accounts.tables import quota_holders, quotas
from index.catalog.accounts.upsert import add_rows, put_row
from index.catalog.database import Database

_MINUTE_S = 60
_LOCK = {"subject": "", "holder": ""}  # of quota_holders: whoever counts a subject holds its row


class Quotas(Database):
    """The part of the catalog that grants parts of limits."""

    def lease_quotas(self, asks: Sequence[QuotaAsk]) -> tuple[QuotaGrant, ...]:
        """Grants what is asked for as far as it is free, each for itself; in the order asked."""
        with self._write_beside() as connection:
            blank = [
                {"subject": ask.subject, "kind": ask.kind, "amounts": {}, "at": 0.0} for ask in asks
            ]
            add_rows(connection, quotas, blank, ())
            grants: dict[int, QuotaGrant] = {}
            order = sorted(range(len(asks)), key=lambda at: (asks[at].subject, asks[at].kind))
            for at in order:
                ask = asks[at]
                row = connection.execute(
                    select(quotas)
                    .where(quotas.c.subject == ask.subject, quotas.c.kind == ask.kind)
                    .with_for_update()
                ).one()
                now = max(self._clock(), row.at)  # another replica's clock may be ahead
                amounts, grants[at] = granted(ask, row.amounts, now)
                key = {"subject": ask.subject, "kind": ask.kind}
                put_row(connection, quotas, {**key, "amounts": amounts, "at": now})
        return tuple(grants[at] for at in range(len(asks)))

    def hold_quotas(self, holder: str, asks: Sequence[HoldAsk], for_s: float) -> tuple[bool, ...]:
        """Notes how many requests a Gateway has open for so long, unless they are too many.

        Returns:
            For each ask whether it holds: with those of other Gateways it is within its limit.
        """
        now = self._clock()
        held: list[bool] = []
        with self._write_beside() as connection:
            locks = [{**_LOCK, "subject": ask.subject, "num_open": 0, "until": now} for ask in asks]
            add_rows(connection, quota_holders, locks, ())
            for ask in sorted(asks, key=lambda ask: ask.subject):
                mine = select(quota_holders).where(quota_holders.c.subject == ask.subject)
                locked = mine.where(quota_holders.c.holder == _LOCK["holder"]).with_for_update()
                connection.execute(locked).one()
                rows = connection.execute(mine)  # after the lock: as others have left them
                others = sum(
                    row.num_open for row in rows if row.holder != holder and row.until > now
                )
                fits = ask.limit is None or others + ask.num_open <= ask.limit
                held.append(fits)
                if fits:
                    key = {"subject": ask.subject, "holder": holder}
                    put_row(
                        connection,
                        quota_holders,
                        {**key, "num_open": ask.num_open, "until": now + for_s},
                    )
        in_order = sorted(range(len(asks)), key=lambda at: asks[at].subject)
        return tuple(one for _, one in sorted(zip(in_order, held, strict=True)))


def granted(
    ask: QuotaAsk, amounts: Mapping[str, int], now: float
) -> tuple[dict[str, int], QuotaGrant]:
    """Decides one ask.

    Args:
        ask: what is asked.
        amounts: what was granted before.
        now: unix seconds.

    Returns:
        What is granted now in all, and the reply.
    """
    current = _slot(ask.window, now)
    ends = {slot: _end(ask.window, slot) for slot in amounts}
    left = {slot: amounts[slot] for slot in sorted(amounts) if ends[slot] > now}
    _settle(left, current, ask.settled)
    free = max(0, ask.limit - sum(left.values()))
    needed = min(ask.needed, ask.limit)  # what is larger than the limit waits for all of it
    amount = min(ask.wanted, free) if free >= needed else 0
    retry_after_s = 0.0
    if amount < needed or (ask.wanted and not amount):
        retry_after_s = _wait_s(ask, left, max(1, needed) - free, now)
    if amount:
        left[current] = left.get(current, 0) + amount
    last = max((_end(ask.window, slot) for slot in left), default=now)
    grant = QuotaGrant(
        granted=amount,
        remaining=max(0, ask.limit - sum(left.values())),
        reset_s=last - now,
        retry_after_s=retry_after_s,
    )
    return left, grant


def _settle(amounts: dict[str, int], current: str, settled: int) -> None:
    """Adds to the current slot, or takes from the newest ones."""
    if settled > 0:
        amounts[current] = amounts.get(current, 0) + settled
    for slot in sorted(amounts, reverse=True):
        if settled >= 0:
            return
        given_back = min(amounts[slot], -settled)
        amounts[slot] -= given_back
        settled += given_back
        if not amounts[slot]:
            del amounts[slot]


def _wait_s(ask: QuotaAsk, amounts: Mapping[str, int], missing: int, now: float) -> float:
    """The seconds until so much more will be free."""
    end = now
    for slot in sorted(amounts):
        if missing <= 0:
            break
        missing -= amounts[slot]
        end = _end(ask.window, slot)
    return max(0.0, end - now)


def _slot(window: Window, now: float) -> str:
    if window == "month":
        return datetime.fromtimestamp(now, UTC).strftime("%Y-%m")
    return str(floor(now))


def _end(window: Window, slot: str) -> float:
    """When the amount of a slot counts no more, in unix seconds."""
    if window == "month":
        year, month = int(slot[:4]), int(slot[5:7])
        first = datetime(year, month, 1, tzinfo=UTC).timestamp()
        return first + calendar.monthrange(year, month)[1] * 86_400
    return float(int(slot) + 1 + _MINUTE_S)
