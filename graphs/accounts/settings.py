"""The settings of accounts: limits that hold for whoever has none of their own, and the log."""

from typing import Self

from pydantic import Field, model_validator

from graphs.caller import CallerLimits
from graphs.settings import Settings

Limit = int | None


class SharedLimits(Settings):
    """What everyone of a kind may use; None: no limit.

    Attributes:
        requests_per_min: requests other than reads (GET) in any 60 seconds.
        tokens_per_min: tokens of prompts and answers in any 60 seconds.
        tokens_per_month: the same in a calendar month (UTC).
        max_concurrent: requests that run at once, streams included.
    """

    requests_per_min: Limit = Field(default=None, ge=1)
    tokens_per_min: Limit = Field(default=None, ge=1)
    tokens_per_month: Limit = Field(default=None, ge=1)
    max_concurrent: Limit = Field(default=None, ge=1)

    def as_limits(self) -> CallerLimits:
        """The same as plain data."""
        return CallerLimits(**self.model_dump(include=set(SharedLimits.model_fields)))


class TenantLimits(SharedLimits):
    """What all of a tenant may use and store together; None: no limit.

    Attributes:
        stored_bytes: of its files; one that does not fit is refused.
        stored_passages: of its stores; a file that does not fit is not indexed.
    """

    stored_bytes: Limit = Field(default=None, ge=1)
    stored_passages: Limit = Field(default=None, ge=1)


class LimitSettings(Settings):
    """Limits of all Gateways together; times are in seconds.

    Attributes:
        key: of each key that has none of its own.
        tenant: of all keys of a tenant together.
        lease_s: how long a Gateway may use what it was granted ahead of need.
        failures_per_min: refusals of keys (401, 403) and answers that the safety filter refused,
            lines of batches apart, by one address or key at one Gateway in a minute; who has more
            waits. None: no bound.
        longest_wait_s: how long such a one waits at most.
    """

    key: SharedLimits = SharedLimits()
    tenant: TenantLimits = TenantLimits()
    lease_s: float = Field(default=0.5, gt=0, le=5)
    failures_per_min: int | None = Field(default=30, ge=1)
    longest_wait_s: float = Field(default=60.0, gt=0)


class ClassSettings(Settings):
    """Classes of service at one Gateway (graphs/accounts/turnstile.py); a key has one.

    Attributes:
        at_once: requests to models that run at once; more wait for their turn. A little above what
            the generators behind it have room for. None: no request waits.
        kept_for_priority: of these, how many no other class takes: as many as run at once of it.
        max_waiting: more than these are refused, `flex` first.
        priority: weight of the class; where all wait, each has turns as its weight to their sum.
        default: likewise.
        flex: likewise.
    """

    at_once: Limit = Field(default=None, ge=1)
    kept_for_priority: int = Field(default=0, ge=0)
    max_waiting: int = Field(default=256, ge=1)
    priority: int = Field(default=8, ge=1, le=1000)
    default: int = Field(default=4, ge=1, le=1000)
    flex: int = Field(default=1, ge=1, le=1000)

    @model_validator(mode="after")
    def _check_kept(self) -> Self:
        if self.kept_for_priority and not self.kept_for_priority < (self.at_once or 0):
            msg = (
                f"kept_for_priority must be below at_once ({self.at_once}), "
                f"got {self.kept_for_priority}: the other classes need room, too"
            )
            raise ValueError(msg)
        return self


class AuditSettings(Settings):
    """What is kept of who did what.

    Attributes:
        log: `writes` notes requests other than reads, refusals, and which documents were read, for
            an answer or themselves; `all` notes reads as well; `off` nothing.
        kept_days: older rows are deleted, and so are older days in `folder`.
        folder: where each Gateway appends the same as JSON lines, a file a day; None: nowhere.
    """

    log: str = Field(default="writes", pattern="^(writes|all|off)$")
    kept_days: int = Field(default=90, ge=1, le=3650)
    folder: str | None = None
