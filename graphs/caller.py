"""Who asks: made once at the HTTP border, and carried explicitly to whatever depends on it.

How a caller is recognised is in graphs/access.
"""

from dataclasses import dataclass
from functools import cached_property

from index.access import Viewer
from index.catalog.keys.records import ServiceClass

EVERY_GROUP = "*"


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
        tenant: whose data is meant.
        key_id: the public name of the key that the request came with; empty without keys.
        scopes: what the key allows.
        user: as whom access lists are asked; None: as nobody.
        groups: whose member the user is; `EVERY_GROUP`: every list lets the caller in.
        service_class: how the caller is served when there is little room.
        limits: how much it allows; None means what the server allows everyone.
        most_bytes: of all files of the tenant, where the caller adds one; None: no limit.
        most_passages: likewise of all its stores.
    """

    tenant: str = "default"
    key_id: str = ""
    scopes: frozenset[str] = frozenset()
    user: str | None = None
    groups: frozenset[str] = frozenset()
    service_class: ServiceClass = "default"
    limits: CallerLimits | None = None
    most_bytes: int | None = None
    most_passages: int | None = None

    def may(self, scope: str) -> bool:
        """Whether the key allows this; `read:` of some store allows to ask, not to see others."""
        kinds = {"query": "read:", "ingest": "write:"}
        if scope in self.scopes:
            return True
        kind = kinds.get(scope)
        return kind is not None and any(one.startswith(kind) for one in self.scopes)

    @cached_property
    def viewer(self) -> Viewer:
        """The caller as the corpus knows it."""
        sees_all = EVERY_GROUP in self.groups or "admin" in self.scopes
        principals = {f"group:{one}" for one in self.groups} | {f"key:{self.key_id}"}
        if self.user is not None:
            principals.add(f"user:{self.user}")
        written = self._stores("write:")
        is_limited = not self.scopes & {"query", "ingest", "admin"}
        return Viewer(
            tenant=self.tenant,
            key_id=self.key_id,
            principals=None if sees_all else frozenset(principals),
            readable=self._stores("read:") | written if is_limited else None,
            writable=None if "ingest" in self.scopes else written,
            most_bytes=self.most_bytes,
            most_passages=self.most_passages,
        )

    def _stores(self, kind: str) -> frozenset[str]:
        return frozenset(one.removeprefix(kind) for one in self.scopes if one.startswith(kind))


EVERY_SCOPE = frozenset({"query", "ingest", "admin", "metrics"})
# Where there are no keys, everyone is this one.
DEFAULT_CALLER = Caller(scopes=EVERY_SCOPE)
