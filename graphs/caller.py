"""Who asks: made once at the HTTP border, and carried explicitly to whatever depends on it.

Nothing here says how a caller is recognised; that is the business of the border.
"""

from dataclasses import dataclass
from typing import Literal

ServiceClass = Literal["priority", "default", "flex"]


@dataclass(frozen=True, kw_only=True)
class CallerLimits:
    """How much one caller may ask for; None means no limit of its own.

    Attributes:
        requests_per_min: most requests in a minute.
        tokens_per_min: most tokens in a minute, of prompts and answers together.
        tokens_per_month: the same in a calendar month (UTC).
        max_concurrent: most requests that run at once, streams included.
    """

    requests_per_min: int | None = None
    tokens_per_min: int | None = None
    tokens_per_month: int | None = None
    max_concurrent: int | None = None


@dataclass(frozen=True, kw_only=True)
class Caller:
    """One who asks.

    Attributes:
        tenant: whose data is meant. The idempotency of chats keeps tenants apart; the corpus has
            one tenant as yet.
        key_id: the public name of the key that the request came with; empty without keys.
        scopes: what the key allows.
        service_class: how the caller is served when there is little room.
        limits: how much it allows; None means what the server allows everyone.
    """

    tenant: str = "default"
    key_id: str = ""
    scopes: frozenset[str] = frozenset()
    service_class: ServiceClass = "default"
    limits: CallerLimits | None = None


# As long as there are no keys, everyone is this one.
DEFAULT_CALLER = Caller()
