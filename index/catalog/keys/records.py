"""What the catalog keeps of API keys: plain, frozen, picklable. Never the secret itself."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ServiceClass = Literal["priority", "default", "flex"]
_TOKEN = re.compile(r"rf_(?P<id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")
_SECRET_BYTES = 32
SCOPE_PATTERN = "query|ingest|admin|metrics|(read|write):vs_[0-9a-f]{32}"
TENANT_PATTERN = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_VOUCHED = "jwt-"


@dataclass(frozen=True, kw_only=True)
class KeyGrant:
    """What a key is for.

    Attributes:
        tenant: whose data it reaches.
        name: for people.
        scopes: `query`, `ingest`, `admin`, `metrics`, `read:vs_...`, `write:vs_...`.
        user: as whom access lists are asked.
        groups: whose member the user is; `*` stands for every list.
        service_class: how it is served when there is little room.
        limits: name -> most of it; names as in `graphs.caller.CallerLimits`.
        expires_at: unix seconds; None: never.
    """

    tenant: str = "default"
    name: str = ""
    scopes: frozenset[str]
    user: str | None = None
    groups: frozenset[str] = frozenset()
    service_class: ServiceClass = "default"
    limits: Mapping[str, int] = field(default_factory=dict)
    expires_at: int | None = None


@dataclass(frozen=True, kw_only=True)
class KeyRecord(KeyGrant):
    """A key as it is kept.

    Attributes:
        id: its public name, which stays when its secret is changed.
        previous_until: until when the secret before is taken as well; None: it is not.
        last_used_at: exact to a minute; None: never used.
    """

    id: str
    created_at: int
    rotated_at: int | None = None
    previous_until: int | None = None
    revoked_at: int | None = None
    last_used_at: int | None = None

    def status_at(self, now: float) -> Literal["active", "expired", "revoked"]:
        """The state of the key."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= now
        return "expired" if is_over else "active"


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key at the one moment when its text is known.

    Attributes:
        token: what clients send: `rf_`, the id, and 256 random bits.
    """

    record: KeyRecord
    token: str = field(repr=False)


def new_key_id() -> str:
    """Makes the public name of a key."""
    return secrets.token_hex(8)


def vouched_id(issuer: str, subject: str, tenant: str) -> str:
    """The public name of one whom an identity provider vouches for: the same for all its tokens."""
    named = "\0".join((issuer, subject, tenant))
    return f"{_VOUCHED}{hashlib.sha256(named.encode()).hexdigest()[:32]}"


def is_vouched(key_id: str) -> bool:
    """Whether this is no key of ours but one whom an identity provider vouches for."""
    return key_id.startswith(_VOUCHED)


def new_token(key_id: str) -> str:
    """Makes the text of a key."""
    return f"rf_{key_id}_{secrets.token_urlsafe(_SECRET_BYTES)}"


def token_id(token: str) -> str | None:
    """The id in the text of a key; None where the text cannot be one."""
    match = _TOKEN.fullmatch(token)
    return match["id"] if match else None


def token_digest(token: str) -> str:
    """What is kept of a key: SHA-256, in hex; 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
