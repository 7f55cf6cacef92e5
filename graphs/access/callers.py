"""Callers made of what is kept: of a key, or of the name of one for work nobody waits for."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import fields

from graphs.caller import DEFAULT_CALLER, Caller, CallerLimits
from graphs.corpus.keys import KeyReads, TenantWrites
from index.catalog.keys.records import KeyRecord
from index.errors import UnknownKeyError

LIMITS = tuple(field.name for field in fields(CallerLimits))


def caller_of(key: KeyRecord) -> Caller:
    """Gives the caller that comes with a key."""
    known = {name: most for name, most in key.limits.items() if name in LIMITS}
    return Caller(
        tenant=key.tenant,
        key_id=key.id,
        scopes=key.scopes,
        user=key.user,
        groups=key.groups,
        service_class=key.service_class,
        limits=CallerLimits(**known) if known else None,
    )


async def tenant_since(corpus: TenantWrites, caller: Caller) -> float:
    """Since when there is the caller's tenant, in seconds since 1970; without keys: always.

    What a Gateway remembers from before was of one of that name that has been deleted.
    """
    if not caller.key_id:
        return 0.0
    since = await corpus.tenant_since(caller.tenant)
    return math.inf if since is None else since


async def asker(corpus: KeyReads, tenant: str, key_id: str) -> Caller:
    """Gives the caller that asked for a response or a batch a while ago.

    Its key is read again, so the work may do what the key may do now; nothing, where that is
    revoked, expired or unknown.

    Args:
        corpus: where the keys are.
        tenant: whose the work is.
        key_id: with which key it was asked for; empty: without keys.
    """
    if not key_id:
        return DEFAULT_CALLER if tenant == DEFAULT_CALLER.tenant else Caller(tenant=tenant)
    nobody = Caller(tenant=tenant, key_id=key_id)
    try:
        key = await corpus.get_key(tenant, key_id)
    except UnknownKeyError:
        return nobody
    return caller_of(key) if key.status_at(time.time()) == "active" else nobody


class FreshAsker:
    """Who asked for work that takes long: the key is read again when what is known is old.

    Args:
        corpus: where the keys are.
        work: whose it is, as `asker` has it: tenant and key.
        fresh_s: gives for how long an answer counts.
    """

    def __init__(
        self,
        corpus: KeyReads,
        work: tuple[str, str],
        fresh_s: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._corpus = corpus
        self._work = work
        self._fresh_s = fresh_s
        self._clock = clock
        self._turn = asyncio.Lock()
        self._known: tuple[float, Caller] | None = None

    async def __call__(self) -> Caller:
        """Gives the caller with what it may do now.

        Raises:
            GraphError: the catalog does not answer.
            CorpusError: nor does the database.
        """
        async with self._turn:
            if self._known is None or self._clock() - self._known[0] >= self._fresh_s():
                asked_at = self._clock()
                self._known = (asked_at, await asker(self._corpus, *self._work))
            return self._known[1]
