"""The accounts of one Gateway: what callers used, may use, and did.

request --admit--> limits of key and tenant --> runs --close--> what was reserved is given back
|
models --bill--> usage, and the tokens of the limits
pipeline --observe--> usage, and which documents were read
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from graphs.accounts.failures import Failures
from graphs.accounts.holds import Holds
from graphs.accounts.journal import Journal
from graphs.accounts.quotas import Claim, Quotas, Standing
from graphs.accounts.settings import AuditSettings, LimitSettings
from graphs.accounts.store import AccountStore, AccountStores
from graphs.caller import DEFAULT_CALLER, Caller, CallerLimits
from index.catalog.accounts.records import AuditRecord, UsageRecord, Window

Value = TypeVar("Value")
_MOST_KEYS = 10_000  # whose limits and habits are remembered
_FIRST_GUESS_TOKENS = 256  # of an answer, for a key that has none yet
_BYTES_A_TOKEN = 4
_TOKEN_KINDS: tuple[tuple[str, str, Window], ...] = (
    ("tokens", "tokens_per_min", "minute"),
    ("tokens/month", "tokens_per_month", "month"),
)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a caller asked of the models and the corpus, when it has ended.

    Attributes:
        model: under the name that clients use.
        once: as in `UsageRecord`; empty: it counts as it is.
    """

    model: str
    num_prompt_tokens: int
    num_completion_tokens: int = 0
    once: str = ""

    @property
    def num_tokens(self) -> int:
        """Of both."""
        return self.num_prompt_tokens + self.num_completion_tokens


@dataclass(kw_only=True)
class Admission:
    """What a request was told of its limits; `close` it when it has ended.

    Attributes:
        standings: of the limits that apply.
        refused: the standing that keeps it out; None: it may run.
        num_open: limit of requests at once that keeps it out.
    """

    standings: Sequence[Standing] = ()
    refused: Standing | None = None
    num_open: int | None = None
    _reserved: Sequence[Claim] = ()
    _at_end: list[Callable[[], None]] = field(default_factory=list)

    def close(self) -> None:
        """Gives back what was held for the request."""
        while self._at_end:
            self._at_end.pop()()


class Accounts:
    """Everything of one Gateway that knows callers.

    Args:
        stores: gives the catalog of the moment.
        limits: gives the settings of the moment.
        audit: likewise.
    """

    def __init__(
        self,
        stores: Callable[[], AccountStores],
        limits: Callable[[], LimitSettings],
        audit: Callable[[], AuditSettings],
    ) -> None:
        def store() -> AccountStore:
            return stores().of(DEFAULT_CALLER)

        self._limits = limits
        self.journal = Journal(store, audit)
        self.quotas = Quotas(store, lambda: limits().lease_s)
        self.holds = Holds(store)
        self.failures = Failures(lambda: limits().failures_per_min, lambda: limits().longest_wait_s)
        self._known: dict[str, CallerLimits] = {}
        self._mean_tokens: dict[str, float] = {}

    async def stop(self) -> None:
        """Writes and gives back what is left."""
        with suppress(RuntimeError):  # of a loop that ends
            await self.journal.stop()
            await self.quotas.stop()
            await self.holds.stop()

    async def hold(self, caller: Caller) -> Admission:
        """Counts a request among those of its key that run at once, and as nothing else."""
        subject, limit = key_subject(caller), self._limits_of(caller).max_concurrent
        if limit is None:
            return Admission()
        if not await self.holds.begin(subject, limit):
            return Admission(num_open=limit)
        return Admission(_at_end=[lambda: self.holds.end(subject)])

    async def admit(self, caller: Caller, num_bytes: int, *, is_batch: bool = False) -> Admission:
        """Lets a request run, or says how long it has to wait; then nothing is held for it.

        Args:
            caller: who asks.
            num_bytes: of its body, as declared; 0: not known.
            is_batch: whether nobody waits for it; then only the limits of a month apply.
        """
        claims = self._claims(caller, 1, self._guess(key_subject(caller), num_bytes))
        if is_batch:
            claims = [claim for claim in claims if claim.window == "month"]
        admission = Admission() if is_batch else await self.hold(caller)
        if claims and admission.num_open is None:
            try:
                admission.standings = await self.quotas.take(claims)
            except BaseException:
                admission.close()
                raise
            waits = [one for one in admission.standings if one.wait_s]
            admission.refused = max(waits, key=lambda one: one.wait_s, default=None)
            if admission.refused is not None:
                admission.close()
                return admission
            reserved = [
                replace(claim, amount=-claim.amount)
                for claim in claims
                if claim.kind.startswith("tokens")
            ]
            admission._at_end.append(lambda: self.quotas.charge(reserved))
        return admission

    def bill(self, caller: Caller, work: Work) -> None:
        """Counts what a caller used."""
        if not work.num_tokens:
            return
        self.journal.count(
            UsageRecord(
                day=datetime.now(UTC).date().isoformat(),
                tenant=caller.tenant,
                key_id=caller.key_id,
                model=work.model,
                num_prompt_tokens=work.num_prompt_tokens,
                num_completion_tokens=work.num_completion_tokens,
                once=work.once,
            )
        )
        subject = key_subject(caller)
        mean = self._mean_tokens.get(subject, float(work.num_tokens))
        _remember(self._mean_tokens, subject, 0.8 * mean + 0.2 * work.num_tokens)
        claims = self._claims(caller, 0, work.num_tokens)
        if claims:
            self.quotas.charge(claims)

    def note(self, record: AuditRecord) -> None:
        """Notes what was done, where the settings ask for it."""
        self.journal.note(record)

    def retrieved(
        self,
        caller: Caller,
        request_id: str,
        documents: Sequence[str],
        outcome: str,
        *,
        action: str = "read passages",
        is_batch: bool = False,
    ) -> None:
        """Notes which documents were read for a request, and what became of it.

        Refused lines of batches are no reason to let the key's other requests wait.
        """
        if outcome == "refused" and caller.key_id and not is_batch:
            self.failures.count(key_subject(caller))
        if documents:
            self.note(
                AuditRecord(
                    at=time.time(), event="retrieval", request_id=request_id,
                    tenant=caller.tenant, key_id=caller.key_id, action=action,
                    decision=outcome, documents=tuple(documents),
                )
            )  # fmt: skip

    def _limits_of(self, caller: Caller) -> CallerLimits:
        """The caller's own limits, and the server's where it has none."""
        subject = key_subject(caller)
        own = caller.limits or self._known.get(subject)
        default = self._limits().key.as_limits()
        if own is None:
            return default
        if caller.limits is not None:  # a background answer comes with tenant and key alone
            _remember(self._known, subject, caller.limits)
        return CallerLimits(
            **{
                name: getattr(default, name) if value is None else value
                for name, value in vars(own).items()
            }
        )

    def _claims(self, caller: Caller, num_requests: int, num_tokens: int) -> list[Claim]:
        of_tenant = self._limits().tenant.as_limits()
        claims: list[Claim] = []
        for subject, limits in (
            (key_subject(caller), self._limits_of(caller)),
            (f"tenant:{caller.tenant}", of_tenant),
        ):
            if num_requests and limits.requests_per_min is not None:
                claims.append(
                    Claim(
                        subject=subject, kind="requests", window="minute",
                        limit=limits.requests_per_min, amount=num_requests,
                    )
                )  # fmt: skip
            for kind, name, window in _TOKEN_KINDS:
                limit = getattr(limits, name)
                if limit is not None:
                    claims.append(
                        Claim(
                            subject=subject, kind=kind, window=window, limit=limit,
                            amount=num_tokens,
                        )
                    )  # fmt: skip
        return claims

    def _guess(self, subject: str, num_bytes: int) -> int:
        """What a request may cost: as those of the key before it."""
        mean = self._mean_tokens.get(subject)
        return round(mean) if mean else num_bytes // _BYTES_A_TOKEN + _FIRST_GUESS_TOKENS


def key_subject(caller: Caller) -> str:
    """Names a key among all."""
    return f"key:{caller.tenant}/{caller.key_id}"


def _remember(known: dict[str, Value], name: str, value: Value) -> None:
    known[name] = value
    if len(known) > _MOST_KEYS:
        del known[next(iter(known))]
