"""What the claims of a token mean here: tenant, user, groups and scopes. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from graphs.caller import EVERY_GROUP
from graphs.settings import EVERY_TOKEN, JwtSettings
from index.access import access_text
from index.catalog.keys.records import TENANT_PATTERN, KeyGrant, vouched_id
from index.errors import InvalidAttributesError

# More than Entra ID tells (200); each is a condition of every query.
MAX_GROUPS = 256
_MAX_TIME = 2**40  # unix seconds; beyond the year 30000
_TENANT = re.compile(TENANT_PATTERN)

Claims = Mapping[str, Any]


class ClaimsError(ValueError):
    """A token is good, and says too little or what cannot be."""


def grant_of(claims: Claims, settings: JwtSettings) -> tuple[str, KeyGrant]:
    """Reads the claims of a token whose signature is good.

    A group that no access list can name is left out, among them `*`, which only a key of ours may
    have.

    Returns:
        The public name of who came, and what it may.

    Raises:
        ClaimsError: a claim is missing or of the wrong form; the message has no value of it.
    """
    subject = _text(claims, "sub")
    tenant = settings.tenant or _text(claims, settings.tenant_claim or "")
    if not _TENANT.fullmatch(tenant):
        raise ClaimsError(f"{settings.tenant_claim!r} is no name of a tenant")
    user = _text(claims, settings.user_claim)
    if not _is_principal("user", user):
        raise ClaimsError(f"{settings.user_claim!r} is no name of a user")
    grant = KeyGrant(
        tenant=tenant,
        name="OIDC",
        scopes=_scopes(claims, settings),
        user=user,
        groups=_groups(claims, settings),
        expires_at=int(_end(claims) + settings.work_s),
    )
    return vouched_id(settings.issuer, subject, tenant), grant


def _scopes(claims: Claims, settings: JwtSettings) -> frozenset[str]:
    told = {EVERY_TOKEN}
    for name in settings.scope_claims:
        told |= _texts(claims, name, parted=True)
    scopes = {one for name in told for one in settings.scopes.get(name, ())}
    if not scopes:
        raise ClaimsError("no permission of the token allows anything here")
    return frozenset(scopes)


def _groups(claims: Claims, settings: JwtSettings) -> frozenset[str]:
    if settings.groups_claim is None:
        return frozenset()
    told = _texts(claims, settings.groups_claim, parted=False) - {EVERY_GROUP}
    groups = frozenset(one for one in told if _is_principal("group", one))
    if len(groups) > MAX_GROUPS:
        raise ClaimsError(f"a token may name at most {MAX_GROUPS} groups, got {len(groups)}")
    return groups


def _is_principal(kind: str, name: str) -> bool:
    try:
        access_text([f"{kind}:{name}"])
    except InvalidAttributesError:
        return False
    return True


def _claim(claims: Claims, name: str) -> object:
    """The claim with this name, else the one at this path; None: there is none."""
    if name in claims:
        return claims[name]
    found: object = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _text(claims: Claims, name: str) -> str:
    value = _claim(claims, name)
    if not isinstance(value, str) or not value:
        raise ClaimsError(f"{name!r} must be a text, got {type(value).__name__}")
    return value


def _end(claims: Claims) -> float:
    value = claims.get("exp")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _MAX_TIME:
        raise ClaimsError(f"'exp' must be a number in 1..{_MAX_TIME}")
    return value


def _texts(claims: Claims, name: str, *, parted: bool) -> set[str]:
    """The texts of a claim; none where it is missing.

    Args:
        claims: those of the token.
        name: as in `_claim`.
        parted: whether spaces part one text into several.
    """
    value = _claim(claims, name)
    if value is None:
        return set()
    if isinstance(value, str):
        return set(value.split()) if parted else {value}
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return set(value)
    raise ClaimsError(f"{name!r} must be a text or a list of texts, got {type(value).__name__}")
