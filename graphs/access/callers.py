"""Callers made of what is kept: of a key, or of the name of one for work nobody waits for."""

from dataclasses import fields

from graphs.caller import DEFAULT_CALLER, Caller, CallerLimits
from graphs.corpus.keys import KeyReads
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


async def asker(corpus: KeyReads, tenant: str, key_id: str) -> Caller:
    """Gives the caller that asked for a response or a batch a while ago.

    Its key is read again, so the work may do what the key may do now; nothing, where that is
    revoked or unknown.

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
    return caller_of(key) if key.revoked_at is None else nobody
