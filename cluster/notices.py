"""A notice that this machine will be taken away, and where notices come from.

The clouds' own forms are in cluster/clouds.py; what follows from a notice is decided in
cluster/spot_watcher.py.
"""

import enum
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol


class NoticeKind(enum.StrEnum):
    """What a notice says."""

    TERMINATE = "terminate"
    REBALANCE = "rebalance"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One thing that the cloud said; `CANCELLED` carries the event id of what it takes back.

    Attributes:
        event_id: sha256 of the notice, so that a repeated notice is one event.
        kind: what it says.
        deadline_s: when the machine goes, in seconds since the epoch; None if that was not said.
        source: `aws`, `gcp`, `azure` or `sigterm`.
    """

    event_id: str
    kind: NoticeKind
    deadline_s: float | None
    source: str


class NoticeSource(Protocol):
    """Where notices come from; the same notice may come many times."""

    @property
    def reachable(self) -> bool:
        """Whether the last question got an answer."""

    def notices(self) -> AsyncIterator[Notice]:
        """Yields notices until it is closed."""


def event_id(source: str, content: str) -> str:
    """Names an event by what was said about it."""
    return hashlib.sha256(f"{source}\n{content}".encode()).hexdigest()
