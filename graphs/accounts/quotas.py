"""Limits at one Gateway: parts of them are leased from the catalog, and given back unused.

    request --take--> leased part, enough? --yes--> goes on, nobody is asked
                           | no
                      lease_quotas: what all Gateways were granted in this minute or month

A Gateway that has a lease decides alone, and so does one that was told how long there is nothing.
A lease ends after `lease_s`; what is left of it is given back. A Gateway that is killed takes the
rest of its leases with it, at most a fiftieth of a limit: less is then admitted for a minute.
While the catalog is out of reach, or takes longer than `ANSWER_S`, requests are admitted, and
counted when it is back; what it grants too late is given back.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from graphs.accounts.store import ANSWER_S, QuotaStore
from graphs.errors import GraphError
from index.catalog.accounts.records import QuotaAsk, QuotaGrant, Window
from index.errors import CorpusError

logger = logging.getLogger(__name__)

_AHEAD = 50  # a lease is at most this part of a limit beyond what is needed
_ASK_AGAIN_S = 1.0  # others may have given something back
_KEPT_S = 120.0  # what nobody asks for so long is forgotten
Name = tuple[str, str]
_Asking = asyncio.Task[tuple[QuotaGrant, ...]]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What one request needs of one limit.

    Attributes:
        amount: of requests or tokens; 0: only that the limit is not used up.
    """

    subject: str
    kind: str
    window: Window
    limit: int
    amount: int

    @property
    def name(self) -> Name:
        """Of the share."""
        return self.subject, self.kind


@dataclass(kw_only=True)
class _Share:
    """What this Gateway has of one limit.

    Attributes:
        available: what it may still use; below 0: what it used beyond that.
        owed: what it used while the catalog was out of reach.
        asks_again_at: until then it knows that there is nothing.
        refused_until: when there will be, as the catalog said last.
    """

    window: Window
    limit: int
    available: int = 0
    owed: int = 0
    asks_again_at: float = 0.0
    leased_until: float = 0.0
    refused_until: float = 0.0
    remaining: int = 0
    resets_at: float = 0.0
    num_waiting: int = 0
    asked_at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a limit stands after a request.

    Attributes:
        wait_s: until the request can be admitted; 0: it was.
    """

    claim: Claim
    remaining: int
    reset_s: float
    wait_s: float = 0.0


@dataclass
class Quotas:
    """The shares of one Gateway.

    Args:
        store: gives the catalog of the moment.
        lease_s: gives the setting of the moment.
    """

    store: Callable[[], QuotaStore]
    lease_s: Callable[[], float]
    _shares: dict[Name, _Share] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _returning: asyncio.Task[None] | None = None
    _late: set[_Asking] = field(default_factory=set)

    async def take(self, claims: Sequence[Claim]) -> list[Standing]:
        """Takes all that is claimed, or nothing when some of it is not free."""
        shares = [self._share(claim) for claim in claims]
        if not self._is_settled(claims, shares):
            for claim, share in zip(claims, shares, strict=True):
                share.num_waiting += claim.amount
            try:
                async with self._lock(claims[0].subject):
                    if not self._is_settled(claims, shares):
                        await self._lease(claims, shares)
            finally:
                for claim, share in zip(claims, shares, strict=True):
                    share.num_waiting -= claim.amount
        now = time.monotonic()
        waits = [_wait_s(*pair, now) for pair in zip(claims, shares, strict=True)]
        if not any(waits):
            for claim, share in zip(claims, shares, strict=True):
                share.available -= claim.amount
        self._give_back_later()
        return [
            Standing(
                claim=claim,
                remaining=max(0, share.remaining + share.available),
                reset_s=max(0.0, share.resets_at - now),
                wait_s=wait_s,
            )
            for claim, share, wait_s in zip(claims, shares, waits, strict=True)
        ]

    def charge(self, claims: Sequence[Claim]) -> None:
        """Takes what was used already, below 0 if need be; a negative amount is given back."""
        for claim in claims:
            self._share(claim).available -= claim.amount
        self._give_back_later()

    async def stop(self) -> None:
        """Gives back what is left."""
        if self._returning is not None:
            self._returning.cancel()
            await asyncio.wait([self._returning])
        await self._settle(all_of_it=True)
        for asking in self._late:
            asking.cancel()

    def _share(self, claim: Claim) -> _Share:
        share = self._shares.get(claim.name)
        if share is None:
            share = _Share(window=claim.window, limit=claim.limit, remaining=claim.limit)
            self._shares[claim.name] = share
        if share.limit != claim.limit:
            share.asks_again_at, share.limit = 0.0, claim.limit
        share.asked_at = time.monotonic()
        return share

    def _is_settled(self, claims: Sequence[Claim], shares: Sequence[_Share]) -> bool:
        """Whether all can be taken, or some of it is known not to be free."""
        now = time.monotonic()
        pairs = list(zip(claims, shares, strict=True))
        if any(share.asks_again_at > now for share in shares):
            return True
        return all(_has(claim, share) and share.leased_until > now for claim, share in pairs)

    def _lock(self, subject: str) -> asyncio.Lock:
        return self._locks.setdefault(subject, asyncio.Lock())

    async def _lease(self, claims: Sequence[Claim], shares: Sequence[_Share]) -> None:
        asks = []
        for claim, share in zip(claims, shares, strict=True):
            # What is left of a lease that has ended is given back by the same call.
            asks.append(
                QuotaAsk(
                    subject=claim.subject, kind=claim.kind, window=claim.window, limit=claim.limit,
                    needed=max(1, claim.amount),
                    wanted=max(1, claim.amount, share.num_waiting) + share.limit // _AHEAD,
                    settled=share.owed - share.available,
                )
            )  # fmt: skip
            share.available = share.owed = 0
        lease_s = self.lease_s()
        try:
            grants = await self._granted(asks, shares)
        except (CorpusError, GraphError, TimeoutError) as err:
            logger.warning("limits wait for the catalog, requests are admitted: %r", err)
            now = time.monotonic()
            for ask, share in zip(asks, shares, strict=True):
                # For all that wait by now: they must not ask one after the other.
                granted = max(ask.wanted, share.num_waiting)
                share.owed += granted - share.available
                share.available = granted
                share.leased_until, share.asks_again_at = now + lease_s, 0.0
            return
        now = time.monotonic()
        for grant, share in zip(grants, shares, strict=True):
            share.available += grant.granted
            share.leased_until = now + lease_s
            share.remaining = grant.remaining
            share.resets_at = now + grant.reset_s
            share.refused_until = now + grant.retry_after_s
            share.asks_again_at = now + min(grant.retry_after_s, _ASK_AGAIN_S)

    async def _granted(
        self, asks: Sequence[QuotaAsk], shares: Sequence[_Share]
    ) -> tuple[QuotaGrant, ...]:
        """Asks the catalog.

        Raises:
            TimeoutError: it did not answer in time; what it grants later is given back.
        """
        asking = asyncio.ensure_future(self.store().lease_quotas(asks))
        try:
            await asyncio.wait([asking], timeout=ANSWER_S)
            if asking.done():  # perhaps as the time ended: what was granted is used
                return asking.result()
            raise TimeoutError(f"no answer within {ANSWER_S} s")
        except BaseException:
            if asking.done():
                _undo(asks, shares, asking)
            else:
                self._late.add(asking)
                asking.add_done_callback(partial(self._came_late, asks, shares))
            raise

    def _came_late(
        self, asks: Sequence[QuotaAsk], shares: Sequence[_Share], asking: _Asking
    ) -> None:
        self._late.discard(asking)
        if not asking.cancelled():  # as `stop` does
            _undo(asks, shares, asking)
            self._give_back_later()

    def _give_back_later(self) -> None:
        if self._returning is None or self._returning.done():
            self._returning = asyncio.create_task(self._give_back())

    async def _give_back(self) -> None:
        """Settles leases that have ended, until none is left."""
        while any(share.available or share.owed for share in self._shares.values()):
            await asyncio.sleep(self.lease_s())
            await self._settle()
        now = time.monotonic()
        for name in [n for n, one in self._shares.items() if now - one.asked_at > _KEPT_S]:
            del self._shares[name]
            self._locks.pop(name[0], None)

    async def _settle(self, *, all_of_it: bool = False) -> None:
        now = time.monotonic()
        ended: Mapping[Name, _Share] = {
            name: share
            for name, share in self._shares.items()
            if (share.available or share.owed) and (all_of_it or share.leased_until <= now)
        }
        asks = [
            QuotaAsk(
                subject=subject, kind=kind, window=share.window, limit=share.limit,
                settled=share.owed - share.available,
            )
            for (subject, kind), share in ended.items()
        ]  # fmt: skip
        if not asks:
            return
        for share in ended.values():
            share.available = share.owed = 0
        try:
            grants = await self._granted(asks, list(ended.values()))
        except (CorpusError, GraphError, TimeoutError) as err:
            logger.warning("limits wait for the catalog: %r", err)
            return
        for grant, share in zip(grants, ended.values(), strict=True):
            share.remaining = grant.remaining


def _undo(asks: Sequence[QuotaAsk], shares: Sequence[_Share], asked: _Asking) -> None:
    """Owes what was not settled, or gives back what was granted and nobody waits for."""
    if asked.cancelled() or asked.exception() is not None:
        for ask, share in zip(asks, shares, strict=True):
            share.owed += ask.settled
        return
    for grant, share in zip(asked.result(), shares, strict=True):
        share.owed -= grant.granted


def _has(claim: Claim, share: _Share) -> bool:
    return share.available >= max(1, min(claim.amount, claim.limit))


def _wait_s(claim: Claim, share: _Share, now: float) -> float:
    """How long a request has to wait; 0: not at all."""
    if _has(claim, share):
        return 0.0
    return max(share.refused_until - now, 0.05)
