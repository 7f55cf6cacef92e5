"""The records of usage, quotas and audit. Plain data."""

from dataclasses import dataclass, field
from typing import Literal

# How much a subject may have in a window: a minute that slides, or the calendar month (UTC).
Window = Literal["minute", "month"]


@dataclass(frozen=True, kw_only=True)
class UsageRecord:
    """What one call of a model cost, or the sum of a day's calls.

    Attributes:
        day: in UTC, such as `2026-11-29`.
        model: under the name that clients use.
        num_calls: generations, or requests for vectors and scores.
        once: names an answer that may be made again, by a client that asks again or a Gateway that
            takes over: of all records with this name only the largest counts. Empty: counts as is.
    """

    day: str
    tenant: str
    key_id: str
    model: str
    num_prompt_tokens: int
    num_completion_tokens: int
    num_calls: int = 1
    once: str = ""


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """One thing that was done or refused; no text of a user stands in it.

    Attributes:
        at: unix seconds.
        event: `request`: it came over HTTP; `retrieval`: documents were read for it; `command`: a
            command line worked on the database.
        key_id: of the key that came; for a command `os:` and the user of the operating system.
        address: of the client, as far as it is known.
        action: method and route, how documents were read, or the command and what it did that to.
        decision: `allowed`, or why not.
        status: of HTTP; None for all else.
        documents: ids of the files that were read, whole or in passages.
        seq: its place in the log; 0 until it is there.
    """

    at: float
    event: Literal["request", "retrieval", "command"]
    request_id: str
    tenant: str
    key_id: str
    action: str
    decision: str
    address: str = ""
    status: int | None = None
    documents: tuple[str, ...] = ()
    seq: int = 0


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What a Gateway writes at once. Sent again under its number, it is written once.

    Attributes:
        writer: names one life of a Gateway.
        number: counts its parcels from 1.
    """

    writer: str
    number: int
    usage: tuple[UsageRecord, ...] = ()
    audit: tuple[AuditRecord, ...] = ()


@dataclass(frozen=True, kw_only=True)
class QuotaAsk:
    """A Gateway asks for a part of a limit.

    Attributes:
        subject: whose limit, such as `key:default/k1`.
        kind: of what, such as `requests`.
        limit: most in the window, of all Gateways together.
        needed: with less nothing is granted.
        wanted: at most so much is granted.
        settled: is added to what was granted before, also over the limit: what was used without a
            grant; negative: what was granted and not used.
    """

    subject: str
    kind: str
    window: Window
    limit: int
    needed: int = 0
    wanted: int = 0
    settled: int = 0


@dataclass(frozen=True, kw_only=True)
class QuotaGrant:
    """The reply to `QuotaAsk`.

    Attributes:
        granted: may be used from now on.
        remaining: what is left in the window after it.
        reset_s: until the whole limit is free again if nothing more is used.
        retry_after_s: until `needed` will be free; 0 when it was granted.
    """

    granted: int
    remaining: int
    reset_s: float
    retry_after_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class HoldAsk:
    """A Gateway says how many requests of a subject it has open.

    Attributes:
        limit: most of all Gateways; None: whatever is open stays so, as when some have ended.
    """

    subject: str
    num_open: int
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class AuditQuery:
    """Which rows of the audit log are read; None and empty mean all.

    Attributes:
        since: unix seconds, inclusive.
        until: unix seconds, exclusive.
        document: id of a file that was read.
        after: rows with a larger `seq` only.
    """

    since: float | None = None
    until: float | None = None
    tenant: str = ""
    key_id: str = ""
    request_id: str = ""
    document: str = ""
    after: int = 0
    limit: int = field(default=1000)
